"""Registration of published datasets that share a layout: split files, class folders, and variants of ImageNet."""

from collections.abc import Mapping, Sequence
from typing import Any

from datasets_registry._catalogue import register_dataset
from datasets_registry._readers.class_folders import ClassFolderReader, VariantReader
from datasets_registry._readers.coop_split import CoopReader
from datasets_registry._readers.dataset_files import ImageFolders, packaged_names
from datasets_registry._types import DatasetInfo

PLAIN_TEMPLATE = "a photo of a {}."
"""CoOp's template for datasets without their own template; for the others, the template variant `plain`."""
_BIOMEDCOOP = "https://github.com/HealthX-Lab/BiomedCoOp/blob/main/data"
SIZES_UNKNOWN = "The numbers of images of its classes are not published, so counts are not checked."
"""A known problem that several datasets share."""
MEDMNIST_PAPER = """@article{yang2023medmnist,
  title = {{MedMNIST} v2: A Large-scale Lightweight Benchmark for 2{D} and 3{D} Biomedical Image Classification},
  author = {Yang, Jiancheng and Shi, Rui and Wei, Donglai and Liu, Zequan and Zhao, Lin and Ke, Bilian and others},
  journal = {Scientific Data},
  volume = {10},
  pages = {41},
  year = {2023}
}"""
"""A citation that several datasets share."""
RSI_CB_PAPER = """@article{li2020rsicb,
  title = {{RSI-CB}: A Large-Scale Remote Sensing Image Classification Benchmark Using Crowdsourced Data},
  author = {Li, Haifeng and Dou, Xin and Tao, Chao and Wu, Zhixiang and Chen, Jie and Peng, Jian and Deng, Min and
    Zhao, Ling},
  journal = {Sensors},
  volume = {20},
  number = {6},
  pages = {1594},
  year = {2020}
}"""
"""The citation of both parts of RSI-CB."""


def register_coop_dataset(
    name: str,
    *,
    template: str = PLAIN_TEMPLATE,
    template_variants: Mapping[str, str] | None = None,
    folder: str,
    split_file: str,
    image_folder: str,
    split_url: str,
    images_url: str,
    other_folders: Mapping[str, str],
    folder_aliases: Mapping[str, Sequence[str]] | None = None,
    group_pattern: str | None = None,
    **facts: Any,
) -> DatasetInfo:
    """Register a dataset in CoOp's layout; its class names are in `data/<name>.txt`.

    The arguments from `folder` to `group_pattern` are those of `CoopReader`; `facts` are fields of `DatasetInfo`.
    `template_variants` need not list `plain`.
    """
    names = packaged_names(name)
    variants = ({} if template == PLAIN_TEMPLATE else {"plain": PLAIN_TEMPLATE}) | dict(template_variants or {})
    reader = CoopReader(
        name, folder, split_file, image_folder, split_url, images_url, other_folders, folder_aliases or {},
        group_pattern,
    )  # fmt: skip
    info = DatasetInfo(
        name=name, num_classes=len(names), class_names=names, split_file=split_file, reader=reader, template=template,
        template_variants=variants, **facts,
    )  # fmt: skip
    return register_dataset(info)


def register_biomedcoop_dataset(name: str, *, folder: str, **facts: Any) -> DatasetInfo:
    """Register one of the eleven medical datasets of BiomedCoOp (Koleilat et al., CVPR 2025).

    Split file, class names and template are those of BiomedCoOp. `folder` is its name of the dataset's folder; `facts`
    are fields of `DatasetInfo`.
    """
    split_file = f"split_{folder}.json"
    return register_coop_dataset(
        name, folder=folder, split_file=split_file, image_folder=folder,
        split_url=f"{_BIOMEDCOOP}/{folder}/{split_file}",
        images_url="https://huggingface.co/datasets/TahaKoleilat/BiomedCoOp", other_folders={}, **facts,
    )  # fmt: skip


def register_class_folders(
    name: str,
    *,
    template: str,
    template_variants: Mapping[str, str] | None = None,
    image_folders: Mapping[str, str],
    images_url: str,
    part_folders: Mapping[str, str] | None = None,
    lists: Mapping[str, str] | None = None,
    folder_names: Mapping[str, str] | None = None,
    held_out: int = 0,
    names_file: str | None = None,
    **facts: Any,
) -> DatasetInfo:
    """Register a dataset with one folder of images per class; its class names are in `data/<name>.txt`.

    `image_folders` are the candidates of `ImageFolders`, the arguments from `images_url` to `held_out` are those of
    `ClassFolderReader`, and `facts` are fields of `DatasetInfo`. `template_variants` need not list `plain`.
    `names_file` is the stem of the file of class names, if datasets share it.
    """
    names = packaged_names(names_file or name)
    reader = ClassFolderReader(
        ImageFolders(name, image_folders), names, images_url, part_folders or {}, lists or {}, folder_names or {},
        held_out,
    )  # fmt: skip
    variants = ({} if template == PLAIN_TEMPLATE else {"plain": PLAIN_TEMPLATE}) | dict(template_variants or {})
    info = DatasetInfo(
        name=name, num_classes=len(names), class_names=names, template=template, template_variants=variants,
        reader=reader, **facts,
    )  # fmt: skip
    return register_dataset(info)


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


def register_imagenet_variant(
    name: str, *, image_folders: Mapping[str, str], folders_are_labels: bool = False, **facts: Any
) -> DatasetInfo:
    """Register a test-only variant of ImageNet.

    `image_folders` are the candidates of `ImageFolders`; `facts` are fields of `DatasetInfo`.
    """
    reader = VariantReader(ImageFolders(name, image_folders), folders_are_labels)
    return register_dataset(DatasetInfo(name=name, template=PLAIN_TEMPLATE, test_only=True, reader=reader, **facts))
