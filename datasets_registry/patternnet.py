"""PatternNet: 38 kinds of scenes on 256x256 aerial images, 800 of each.

Zhou et al., "PatternNet: A Benchmark Dataset for Performance Evaluation of Remote Sensing Image Retrieval", 2018. No
split is published. 50, 20 and 30 % of each class are train, val and test by a hash of the file names. Class names and
template are those of the few-shot benchmark of remote-sensing models (elkhouryk/fewshot_RSVLMs, arXiv 2510.07135).
"""

from datasets_registry._readers.register_datasets import register_class_folders

register_class_folders(
    "patternnet",
    title="PatternNet",
    summary="38 kinds of scenes on aerial images with 6 to 500 cm per pixel.",
    domain="satellite scenes",
    template="a satellite photo of {}.",
    template_variants={"clip": "satellite imagery of {}."},
    expected={"train": 15200, "val": 6080, "test": 9120},
    known_problems=("The split is this project's, since none is published.",),
    licence="CC BY 4.0 (torchgeo)",
    homepage="https://sites.google.com/view/zhouwx/dataset",
    citation="""@article{zhou2018patternnet,
  title = {{PatternNet}: A Benchmark Dataset for Performance Evaluation of Remote Sensing Image Retrieval},
  author = {Zhou, Weixun and Newsam, Shawn and Li, Congmin and Shao, Zhenfeng},
  journal = {ISPRS Journal of Photogrammetry and Remote Sensing},
  volume = {145},
  pages = {197--209},
  year = {2018}
}""",
    image_folders={"patternnet/images": "torchgeo", "PatternNet/images": "the archive as it unpacks"},
    images_url="https://huggingface.co/datasets/torchgeo/PatternNet",
)
