"""WHU-RS19: 19 kinds of scenes on 600x600 satellite images, about 50 of each.

Xia et al., "Structural High-resolution Satellite Image Indexing", 2010. Split file, file names, class names and
template are those of the few-shot benchmark of remote-sensing models (elkhouryk/fewshot_RSVLMs, arXiv 2510.07135). Its
repository also has the images.
"""

from datasets_registry._readers.register_datasets import register_coop_dataset

register_coop_dataset(
    "whu_rs19",
    title="WHU-RS19",
    summary="19 kinds of scenes on satellite images; a small dataset.",
    domain="satellite scenes",
    template="a satellite photo of {}.",
    template_variants={"clip": "satellite imagery of {}."},
    expected={"train": 505, "val": 260, "test": 240},
    known_problems=("Some classes have only 12 test images, so accuracies are coarse.",),
    licence="not stated; split file MIT (its repository)",
    homepage="https://github.com/elkhouryk/fewshot_RSVLMs",
    citation=r"""@inproceedings{xia2010whurs,
  title = {Structural High-resolution Satellite Image Indexing},
  author = {Xia, Gui-Song and Yang, Wen and Delon, Julie and Gousseau, Yann and Sun, Hong and Ma{\^i}tre, Henri},
  booktitle = {ISPRS TC VII Symposium: 100 Years ISPRS},
  year = {2010}
}""",
    folder="whurs",
    split_file="split.json",
    image_folder="2750",
    split_url="https://github.com/elkhouryk/fewshot_RSVLMs",
    images_url="https://github.com/elkhouryk/fewshot_RSVLMs",
    other_folders={},
)
