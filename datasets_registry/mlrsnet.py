"""MLRSNet: 46 kinds of scenes on 256x256 satellite and aerial images, 1,500 to 2,895 of each.

Qi et al., "MLRSNet: A Multi-label High Spatial Resolution Remote Sensing Dataset for Semantic Scene Understanding",
2020. The label of an image is its category; the tags are not read. No split is published. 50, 20 and 30 % of each class
are train, val and test by a hash of the file names. Class names and template are those of the few-shot benchmark of
remote-sensing models (elkhouryk/fewshot_RSVLMs, arXiv 2510.07135).
"""

from datasets_registry._readers.register_datasets import register_class_folders

register_class_folders(
    "mlrsnet",
    title="MLRSNet",
    summary="46 kinds of scenes on satellite and aerial images with 10 to 1,000 cm per pixel.",
    domain="satellite scenes",
    template="a satellite photo of {}.",
    expected={"train": 54580, "val": 21830, "test": 32751},
    known_problems=(
        "The split is this project's, since none is published.",
        "Images have several tags, so another category may fit, too.",
    ),
    licence="not verified (its page on Mendeley Data)",
    homepage="https://data.mendeley.com/datasets/7j9bv9vwsx/3",
    citation="""@article{qi2020mlrsnet,
  title = {{MLRSNet}: A Multi-label High Spatial Resolution Remote Sensing Dataset for Semantic Scene Understanding},
  author = {Qi, Xiaoman and Zhu, Panpan and Wang, Yuebin and Zhang, Liqiang and Peng, Junhuan and others},
  journal = {ISPRS Journal of Photogrammetry and Remote Sensing},
  volume = {169},
  pages = {337--350},
  year = {2020}
}""",
    image_folders={"mlrsnet/Images": "the archive as it unpacks", "MLRSNet/Images": "the archive as it unpacks"},
    images_url="https://data.mendeley.com/datasets/7j9bv9vwsx/3",
    folder_names={"harbor and port": "harbor&port", "swimming pool": "swimmimg_pool"},
)
