"""SUN397: scenes, from abbey to youth hostel.

Xiao et al., "SUN Database: Large-Scale Scene Recognition from Abbey to Zoo", CVPR 2010. CoOp uses the first official
partition (50 training and 50 test images per class) and splits its training images 80/20. A name is the folder path
without its letter, in reverse order: `c/church/indoor` -> "indoor church". The official host is gone.
"""

from datasets_registry._readers.register_datasets import register_coop_dataset

register_coop_dataset(
    "sun397",
    title="SUN397",
    summary="397 kinds of places; broad, with many similar classes.",
    domain="scenes",
    expected={"train": 15880, "val": 3970, "test": 19850},
    known_problems=("The official host is gone; only copies remain.", "Near-duplicates are known."),
    licence="for research use",
    homepage="https://vision.princeton.edu/projects/2010/SUN/",
    citation="""@inproceedings{xiao2010sun,
  title = {{SUN} Database: Large-Scale Scene Recognition from Abbey to Zoo},
  author = {Xiao, Jianxiong and Hays, James and Ehinger, Krista A. and Oliva, Aude and Torralba, Antonio},
  booktitle = {IEEE Conference on Computer Vision and Pattern Recognition (CVPR)},
  year = {2010}
}""",
    folder="sun397",
    split_file="split_zhou_SUN397.json",
    image_folder="SUN397",
    split_url="https://drive.google.com/file/d/1y2RD81BYuiyvebdN-JymPfyWYcd8_MUq",
    images_url="https://github.com/pytorch/vision/issues/9348",
    other_folders={"SUN397": "torchvision"},
)
