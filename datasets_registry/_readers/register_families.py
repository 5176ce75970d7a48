"""Registers the datasets of which one source has several: the domains of PACS and Office-Home, the sizes of RSI-CB."""

from collections.abc import Mapping

from datasets_registry._readers.register_datasets import PLAIN_TEMPLATE, SIZES_UNKNOWN, register_class_folders
from datasets_registry._types import DatasetInfo


def register_pacs_domain(domain: str, title: str, summary: str) -> DatasetInfo:
    """Register one domain of PACS (Li et al., ICCV 2017) as the dataset `pacs_<domain>`.

    The folders are those of Dassl's archive. Its splits are made for training on three domains and testing on all
    images of the fourth, so 50, 20 and 30 % of each class are train, val and test by a hash of the file names.
    """
    folder = {"art": "art_painting"}.get(domain, domain)
    return register_class_folders(
        f"pacs_{domain}", title=f"PACS {title}", summary=summary, domain="objects (shift)", template=PLAIN_TEMPLATE,
        known_problems=(
            "The split is this project's; papers on domain generalisation test on all images of a domain.",
            "Dassl leaves out sketch/dog/n02103406_4068-1.png as faulty; here it is read if it exists.",
            SIZES_UNKNOWN,
        ),
        licence="not verified; research use", homepage="https://arxiv.org/abs/1710.03077",
        citation="""@inproceedings{li2017deeper,
  title = {Deeper, Broader and Artier Domain Generalization},
  author = {Li, Da and Yang, Yongxin and Song, Yi-Zhe and Hospedales, Timothy M.},
  booktitle = {IEEE International Conference on Computer Vision (ICCV)},
  year = {2017}
}""",
        image_folders={f"pacs/images/{folder}": "Dassl", f"PACS/{folder}": "one folder a domain"},
        images_url="https://drive.google.com/file/d/1m4X4fROCCXMO0lRLrr6Zz9Vb3974NWhE", names_file="pacs",
    )  # fmt: skip


def register_office_home_domain(domain: str, folder: str, summary: str) -> DatasetInfo:
    """Register one domain of Office-Home (Venkateswara et al., CVPR 2017) as the dataset `office_home_<domain>`.

    No split is published. 50, 20 and 30 % of each class are train, val and test by a hash of the file names. Names are
    the folders' in lower case, as in Dassl.
    """
    dassl = folder.lower().replace(" ", "_")
    return register_class_folders(
        f"office_home_{domain}", title=f"Office-Home {folder}", summary=summary, domain="objects (shift)",
        template=PLAIN_TEMPLATE,
        known_problems=(
            "The split is this project's; papers on domain generalisation test on all images of a domain.",
            SIZES_UNKNOWN,
        ),
        licence="not verified (its page); for research", homepage="https://hemanthdv.org/OfficeHome-Dataset/",
        citation="""@inproceedings{venkateswara2017deep,
  title = {Deep Hashing Network for Unsupervised Domain Adaptation},
  author = {Venkateswara, Hemanth and Eusebio, Jose and Chakraborty, Shayok and Panchanathan, Sethuraman},
  booktitle = {IEEE Conference on Computer Vision and Pattern Recognition (CVPR)},
  year = {2017}
}""",
        image_folders={
            f"office_home/{dassl}": "Dassl",
            f"OfficeHomeDataset_10072016/{folder}": "the archive as it unpacks",
        },
        images_url="https://hemanthdv.org/OfficeHome-Dataset/", names_file="office_home",
    )  # fmt: skip


def register_rsi_cb(side: int, kinds: int, folder_names: Mapping[str, str] | None = None) -> DatasetInfo:
    """Register RSI-CB with images of `side` x `side` pixels (Li et al., 2020) as the dataset `rsicb<side>`.

    No split is published. 50, 20 and 30 % of each class are train, val and test by a hash of the file names. Class
    names and template are those of the few-shot benchmark of remote-sensing models (elkhouryk/fewshot_RSVLMs, arXiv
    2510.07135).
    """
    return register_class_folders(
        f"rsicb{side}", title=f"RSI-CB{side}",
        summary=f"{kinds} kinds of scenes on images of {side}x{side} pixels with 0.3 to 3 m per pixel.",
        domain="satellite scenes", template="a satellite photo of {}.",
        known_problems=("The split is this project's, since none is published.", SIZES_UNKNOWN),
        licence="not stated (its repository)", homepage="https://github.com/lehaifeng/RSI-CB",
        citation="""@article{li2020rsicb,
  title = {{RSI-CB}: A Large-Scale Remote Sensing Image Classification Benchmark Using Crowdsourced Data},
  author = {Li, Haifeng and Dou, Xin and Tao, Chao and Wu, Zhixiang and Chen, Jie and Peng, Jian and Deng, Min and
    Zhao, Ling},
  journal = {Sensors},
  volume = {20},
  number = {6},
  pages = {1594},
  year = {2020}
}""",
        image_folders={f"rsicb{side}/RSI-CB{side}": "one folder a class"},
        images_url="https://github.com/lehaifeng/RSI-CB", folder_names=folder_names,
    )  # fmt: skip
