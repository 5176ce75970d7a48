"""AID: 30 kinds of scenes on 600x600 aerial images, 220 to 420 of each.

Xia et al., "AID: A Benchmark Data Set for Performance Evaluation of Aerial Scene Classification", 2017. No split is
published. 50, 20 and 30 % of each class are train, val and test by a hash of the file names. Class names and template
are those of the few-shot benchmark of remote-sensing models (elkhouryk/fewshot_RSVLMs, arXiv 2510.07135).
"""

from datasets_registry._readers.register_datasets import register_class_folders

register_class_folders(
    "aid",
    title="AID",
    summary="30 kinds of scenes on large aerial images from Google Earth.",
    domain="satellite scenes",
    template="a satellite photo of {}.",
    template_variants={"clip": "satellite imagery of {}."},
    expected={"train": 5000, "val": 2000, "test": 3000},
    known_problems=("The split is this project's, since none is published.",),
    licence="not stated (its page); images from Google Earth",
    homepage="https://captain-whu.github.io/AID/",
    citation="""@article{xia2017aid,
  title = {{AID}: A Benchmark Data Set for Performance Evaluation of Aerial Scene Classification},
  author = {Xia, Gui-Song and Hu, Jingwen and Hu, Fan and Shi, Baoguang and Bai, Xiang and Zhong, Yanfei and
    Zhang, Liangpei and Lu, Xiaoqiang},
  journal = {IEEE Transactions on Geoscience and Remote Sensing},
  volume = {55},
  number = {7},
  pages = {3965--3981},
  year = {2017}
}""",
    image_folders={"aid/AID": "one folder a class", "AID": "the archive as it unpacks"},
    images_url="https://captain-whu.github.io/AID/",
)
