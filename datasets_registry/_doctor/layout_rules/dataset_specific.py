"""Rules for single datasets: Oxford Flowers, ImageNet and its variants."""

import re
from collections.abc import Iterator
from pathlib import Path

from datasets_registry._doctor.findings import Finding, Level, quoted
from datasets_registry._doctor.layout_rules.archives import no_images
from datasets_registry._doctor.layout_rules.dataset_on_disk import DatasetOnDisk, folders_below, image_count

_CLASS = re.compile(r"n\d{8}|\d{1,3}")
"""A class folder: a WordNet id, or a label."""


def flower_names_rule(dataset: DatasetOnDisk) -> Iterator[Finding]:
    """Flowers without cat_to_name.json, which CoOp's code needs."""
    if dataset.name == "oxford_flowers" and not (dataset.folder / "cat_to_name.json").is_file():
        yield Finding(
            "no-cat-to-name",
            f"There is no {dataset.folder / 'cat_to_name.json'}. The names are known here, but CoOp's code needs it.",
            dataset.fetch_command("--splits-only"),
            Level.NOTE,
        )


def imagenet_rule(dataset: DatasetOnDisk) -> Iterator[Finding]:
    """ImageNet: class archives inside the archive, val as one flat folder, no classnames.txt."""
    if not dataset.name.startswith("imagenet"):
        return
    places = (dataset.folder, dataset.data_root / "imagenet", dataset.data_root)
    if not any((place / "classnames.txt").is_file() for place in places):
        text = f"There is no {dataset.folder / 'classnames.txt'}."
        yield Finding("no-classnames", text, dataset.fetch_command("--splits-only"))
    if dataset.name != "imagenet":
        if not dataset.image_folder.is_dir():
            folders = (dataset.folder, *dataset.subfolders)
            holder = next((f for f in folders if any(_CLASS.fullmatch(c.name) for c in folders_below(f, 1))), None)
            yield from [_moved_whole(dataset, holder)] if holder else no_images(dataset)
        return
    for base in (dataset.image_folder, dataset.folder):
        train, val = base / "train", base / "val"
        if train.is_dir() and dataset.archives(train):
            loop = 'for f in n*.tar; do mkdir -p "${f%.tar}" && tar -xf "$f" -C "${f%.tar}"; done'
            command = f"cd {quoted(train)} && {loop}"
            yield Finding(
                "class-archives", f"{train} contains one archive per class, not one folder per class.", command
            )
        if val.is_dir() and not any(folders_below(val, 1)) and image_count(val, enough=1):
            yield Finding(
                "val-not-sorted",
                f"{val} contains all images in one folder; they must be in one folder per class, as in train.",
                f"cd {quoted(val)} && bash valprep.sh  # from "
                "https://raw.githubusercontent.com/soumith/imagenetloader.torch/master/valprep.sh",
            )


def _moved_whole(dataset: DatasetOnDisk, folder: Path) -> Finding:
    images = dataset.image_folder
    text = f"The images are below {folder}; they belong below {images}."
    if folder != dataset.folder:
        return Finding("misplaced-images", text, quoted("mv", folder, images), layout=True)
    move = quoted(
        "find", folder, "-mindepth", "1", "-maxdepth", "1", "-name", "[n0-9]*", "-exec", "mv", "{}", f"{images}/", ";"
    )
    return Finding("misplaced-images", text, f"{quoted('mkdir', images)} && {move}", layout=True)
