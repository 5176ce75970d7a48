"""The registry of datasets and the functions that read it."""

import sys
from dataclasses import replace
from pathlib import Path

from datasets_registry._errors import BenchError, RegistrationError, UnknownNameError
from datasets_registry._registry import (
    DATASETS_GROUP,
    Registry,
    custom_files,
    custom_folders,
    import_catalogue,
    load_entry_points,
)
from datasets_registry._types import DatasetInfo


def _load_catalogue() -> None:
    """Register this package's datasets, those of installed packages, custom datasets and imported features."""
    import datasets_registry

    import_catalogue(datasets_registry.__name__, datasets_registry.__path__, DATASETS)
    load_entry_points(DATASETS_GROUP, DATASETS)
    load_custom_datasets(DATASETS)
    load_feature_bundles(DATASETS)


def load_custom_datasets(registry: Registry[DatasetInfo]) -> None:
    """Register every `NAME.toml` in the custom folders; if a name occurs in two folders, the first is used."""
    files: dict[str, Path] = {}
    for path in custom_files("*.toml"):
        files.setdefault(path.stem, path)
    if not files:
        return
    from datasets_registry._custom.dataset import read_custom_dataset  # imports pydantic, which is slow to load

    for name, path in files.items():
        try:
            info = read_custom_dataset(path)
            registry.add(name, info, info.title)
        except BenchError as error:
            text = str(error)
            registry.leave_out(name, text if str(path) in text else f"{path}: {text}")


def load_feature_bundles(registry: Registry[DatasetInfo]) -> None:
    """Register every imported feature bundle, `NAME/bundle.json` in the custom folders."""
    for path in custom_files("*/bundle.json"):
        name = path.parent.name
        if name.startswith(".") or name in registry:
            continue
        from datasets_registry._custom.feature_bundle import FeatureBundle  # imports pydantic, which is slow to load

        try:
            info = FeatureBundle(path.parent).info()
            registry.add(name, info, info.title)
        except BenchError as error:
            registry.leave_out(name, str(error))


def _custom_folders_advice(_name: str) -> str:
    folders = " and ".join(str(folder.absolute()) for folder in custom_folders())
    return (
        f" Your own datasets are looked up in {folders}; "
        "`etl-bench datasets add --user` registers one for every folder you work in."
    )


DATASETS: Registry[DatasetInfo] = Registry("dataset", _load_catalogue, _custom_folders_advice)


def register_dataset(info: DatasetInfo) -> DatasetInfo:
    """Add a dataset to the catalogue; call it once, in the module of the same name.

    Raises RegistrationError if the name is malformed or taken, the title does not fit into a table, the template lacks
    `{}`, or the reader names another dataset.

    Example:
        >>> from datasets_registry import CoopReader, DatasetInfo, register_dataset
        >>> toy = DatasetInfo(
        ...     name="my_flowers", title="My flowers", summary="Two kinds of flowers.", domain="flowers", num_classes=2,
        ...     template="a photo of a {}, a type of flower.", licence="CC0", homepage="", citation="",
        ...     reader=CoopReader(
        ...         dataset="my_flowers", folder="my_flowers", split_file="split.json", image_folder="images",
        ...         split_url="https://example.org/split", images_url="https://example.org/images",
        ...     ),
        ... )
        >>> register_dataset(toy).name
        'my_flowers'
        >>> DATASETS.remove("my_flowers")
    """
    for template in (info.template, *info.template_variants.values()):
        if "{}" not in template:
            raise RegistrationError(f"The template {template!r} of {info.name} has no '{{}}' for the class name.")
    if (read := getattr(info.reader, "dataset", info.name)) != info.name:
        raise RegistrationError(f"The reader of {info.name} has dataset={read!r}; write dataset={info.name!r}.")
    module = str(sys._getframe(1).f_globals.get("__name__", ""))  # the file that calls this function
    return DATASETS.add(info.name, info, info.title, module)


def get_dataset(name: str) -> DatasetInfo:
    """The dataset of that name; `name:option=value,...` sets the options of an adjustable dataset.

    Raises UnknownNameError for an unknown name or option, BenchError for an option on a dataset without options.

    Example:
        >>> from datasets_registry import get_dataset
        >>> get_dataset("eurosat").template
        'a centered satellite photo of {}.'
        >>> get_dataset("spectrum:shift=0.25").title
        'Spectrum, shift 0.25'
    """
    base, _, options = name.partition(":")
    info = DATASETS.get(base)
    if not options:
        return info
    if info.with_options is None:
        raise BenchError(f"Dataset {base!r} has no options, but {options!r} was given; use {base!r} alone.")
    pairs: dict[str, str] = {}
    for item in options.split(","):
        key, equals, value = item.partition("=")
        if not equals:
            raise BenchError(f"Option {item!r} of dataset {base!r} is not of the form option=value.")
        if key not in info.options:
            raise UnknownNameError(f"option of dataset {base!r}", key, info.options)
        pairs[key] = value
    return replace(info.with_options(pairs), name=name)


def list_datasets() -> list[DatasetInfo]:
    """All registered datasets, sorted by name.

    Example:
        >>> from datasets_registry import list_datasets
        >>> [info.name for info in list_datasets() if info.test_only]
        ['imagenet_a', 'imagenet_r', 'imagenet_sketch', 'imagenet_v2']
    """
    return [DATASETS.get(name) for name in DATASETS]
