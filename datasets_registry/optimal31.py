"""OPTIMAL-31: 31 kinds of scenes on 1,860 aerial images of 256x256 pixels, 60 of each.

Wang et al., "Scene Classification With Recurrent Attention of VHR Remote Sensing Images", 2019. No split is published.
50, 20 and 30 % of each class are train, val and test by a hash of the file names. Class names and template are those of
the few-shot benchmark of remote-sensing models (elkhouryk/fewshot_RSVLMs, arXiv 2510.07135).
"""

from datasets_registry._readers.register_datasets import register_class_folders

register_class_folders(
    "optimal31",
    title="OPTIMAL-31",
    summary="31 kinds of scenes on aerial images from Google Earth; a small dataset.",
    domain="satellite scenes",
    template="a satellite photo of {}.",
    expected={"train": 930, "val": 372, "test": 558},
    known_problems=(
        "The split is this project's, since none is published.",
        "A class has 18 test images, so accuracies are coarse.",
    ),
    licence="not verified; images from Google Earth",
    homepage="https://doi.org/10.1109/TGRS.2018.2864987",
    citation="""@article{wang2019scene,
  title = {Scene Classification With Recurrent Attention of {VHR} Remote Sensing Images},
  author = {Wang, Qi and Liu, Shaoteng and Chanussot, Jocelyn and Li, Xuelong},
  journal = {IEEE Transactions on Geoscience and Remote Sensing},
  volume = {57},
  number = {2},
  pages = {1155--1167},
  year = {2019}
}""",
    image_folders={"optimal31/Images": "one folder a class"},
    images_url="https://www.kaggle.com/datasets/brajrajnagar/optimal-31",
)
