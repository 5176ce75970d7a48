"""Oxford Flowers 102: flowers common in Britain.

Nilsback and Zisserman, "Automated Flower Classification over a Large Number of Classes", ICVGIP 2008. CoOp's random
50/20/30 split of all 8,189 images ignores the official 1,020/1,020/6,149, so results are not comparable with papers
that use it. Names are those of `cat_to_name.json` (label = key - 1). The split file is not sorted by label.
"""

from datasets_registry._readers.register_datasets import register_coop_dataset

register_coop_dataset(
    "oxford_flowers",
    title="Flowers102",
    summary="102 kinds of flowers; fine-grained, with names that CLIP partly knows.",
    domain="fine-grained plants",
    template="a photo of a {}, a type of flower.",
    template_variants={"prograd": "a type of flower, a photo of a {}."},
    expected={"train": 4093, "val": 1633, "test": 2463},
    known_problems=("Near-duplicate photographs of one plant are in train and test.", "The official split is ignored."),
    licence="no explicit licence; research use",
    homepage="https://www.robots.ox.ac.uk/~vgg/data/flowers/102/",
    citation="""@inproceedings{nilsback2008flowers,
  title = {Automated Flower Classification over a Large Number of Classes},
  author = {Nilsback, Maria-Elena and Zisserman, Andrew},
  booktitle = {Indian Conference on Computer Vision, Graphics and Image Processing (ICVGIP)},
  year = {2008}
}""",
    folder="oxford_flowers",
    split_file="split_zhou_OxfordFlowers.json",
    image_folder="jpg",
    split_url="https://drive.google.com/file/d/1Pp0sRXzZFZq15zVOzKjKBu4A9i01nozT",
    images_url="https://www.robots.ox.ac.uk/~vgg/data/flowers/102/",
    other_folders={"flowers-102/jpg": "torchvision"},
)
