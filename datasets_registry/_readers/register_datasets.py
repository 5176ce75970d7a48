"""Registration of published datasets that share a layout: split files, class folders, and variants of ImageNet."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from datasets_registry._catalogue import register_dataset
from datasets_registry._readers.class_folders import ClassFolderReader, read_imagenet_variant
from datasets_registry._readers.coop_split import CoopReader
from datasets_registry._readers.dataset_files import ImageFolders, packaged_names
from datasets_registry._types import DatasetInfo, Reader

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


def register_named(
    name: str,
    names: tuple[str, ...],
    reader: Reader,
    template: str,
    template_variants: Mapping[str, str] | None = None,
    **facts: Any,
) -> DatasetInfo:
    """Register a dataset with these class names; a template of its own has CoOp's as the variant `plain`."""
    variants = ({} if template == PLAIN_TEMPLATE else {"plain": PLAIN_TEMPLATE}) | dict(template_variants or {})
    info = DatasetInfo(
        name=name, num_classes=len(names), class_names=names, template=template, template_variants=variants,
        reader=reader, **facts,
    )  # fmt: skip
    return register_dataset(info)


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
    reader = CoopReader(
        name, folder, split_file, image_folder, split_url, images_url, other_folders, folder_aliases or {},
        group_pattern,
    )  # fmt: skip
    names = packaged_names(name)
    return register_named(name, names, reader, template, template_variants, split_file=split_file, **facts)


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
    return register_named(name, names, reader, template, template_variants, **facts)


def register_imagenet_variant(
    name: str, *, image_folders: Mapping[str, str], folders_are_labels: bool = False, **facts: Any
) -> DatasetInfo:
    """Register a test-only variant of ImageNet.

    `image_folders` are the candidates of `ImageFolders`; `facts` are fields of `DatasetInfo`.
    """
    folders = ImageFolders(name, image_folders)
    reader = partial(read_imagenet_variant, folders, folders_are_labels=folders_are_labels)
    return register_dataset(DatasetInfo(name=name, template=PLAIN_TEMPLATE, test_only=True, reader=reader, **facts))
