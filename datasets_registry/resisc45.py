"""NWPU-RESISC45: 45 kinds of scenes on 256x256 aerial images, 700 of each.

Cheng et al., "Remote Sensing Image Scene Classification: Benchmark and State of the Art", 2017. Train, val and test are
the lists of Neumann et al., "In-domain Representation Learning for Remote Sensing" (arXiv 1911.06721), as torchgeo
distributes them. Class names are CLIP's. The template is that of the few-shot benchmark of remote-sensing models
(elkhouryk/fewshot_RSVLMs, arXiv 2510.07135).
"""

from datasets_registry._readers.register_datasets import register_class_folders

register_class_folders(
    "resisc45",
    title="RESISC45",
    summary="45 kinds of scenes on aerial images at many resolutions.",
    domain="satellite scenes",
    template="a satellite photo of {}.",
    template_variants={"clip": "satellite imagery of {}."},
    expected={"train": 18900, "val": 6300, "test": 6300},
    known_problems=("Most papers draw their own split, so their numbers are not directly comparable.",),
    licence="CC BY-NC 4.0 (torchgeo)",
    homepage="https://doi.org/10.1109/jproc.2017.2675998",
    citation="""@article{cheng2017resisc45,
  title = {Remote Sensing Image Scene Classification: Benchmark and State of the Art},
  author = {Cheng, Gong and Han, Junwei and Lu, Xiaoqiang},
  journal = {Proceedings of the IEEE},
  volume = {105},
  number = {10},
  pages = {1865--1883},
  year = {2017}
}""",
    image_folders={"resisc45/NWPU-RESISC45": "torchgeo", "NWPU-RESISC45": "the archive as it unpacks"},
    images_url="https://huggingface.co/datasets/isaaccorley/resisc45",
    lists={part: f"resisc45-{part}.txt" for part in ("train", "val", "test")},
)
