"""Rules that recognise broken layouts of the published datasets and give the command that restores CoOp's layout.

Rules read names and folders, never pixels, and need no network. `etl-bench doctor docs datasets` prints their codes.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from datasets_registry._doctor.dataset_on_disk import (
    DatasetOnDisk,
    Finding,
    FindingLevel,
    folders_below,
    image_count,
    quoted,
)
from datasets_registry._doctor.folder_rules import (
    broken_entries,
    missing_folder_rule,
    no_images,
    packed_archives,
    packed_files,
)
from datasets_registry._errors import DataError, some
from datasets_registry._readers.coop_split import read_coop_split


def split_file_rule(dataset: DatasetOnDisk) -> Iterator[Finding]:
    """The split file is missing, misplaced, malformed, or not the published one."""
    if (name := dataset.info.split_file) is None:
        return
    fetch = dataset.fetch_command("--splits-only")
    if dataset.split_file is None:
        folders = (dataset.folder, dataset.data_root, *dataset.subfolders)
        found = [path for folder in folders for path in sorted(folder.glob("*.json"))]
        stem = Path(name).stem.lower()
        if elsewhere := next((path for path in found if path.stem.lower().startswith(stem)), None):
            move = quoted("mv", elsewhere, dataset.folder / name)
            yield Finding("split-misplaced", f"The split file is at {elsewhere}.", move)
            return
        yield Finding(
            "no-split-file",
            f"There is no {name}, which defines train, val and test. CoOp would generate one, and results with it "
            f"are not comparable with others.",
            fetch,
        )
        return
    try:
        split = read_coop_split(dataset.split_file)
    except DataError as error:
        yield Finding("split-malformed", str(error), fetch)
        return
    published = next((file.checksum for file in dataset.source.files if file.to == name), None)
    digest = f"sha256:{hashlib.sha256(dataset.split_file.read_bytes()).hexdigest()}"
    counts, expected = split.counts, dict(dataset.info.expected)
    if counts != expected:
        yield Finding(
            "subset",
            f"The split file lists {sum(counts.values())} images of the {sum(expected.values())} of the full dataset, "
            f"so its results are not comparable with published ones.",
            f"for the full dataset: {dataset.fetch_command()}",
            FindingLevel.NOTE,
        )
    elif published is not None and digest != published:
        yield Finding(
            "split-not-published",
            f"{dataset.split_file} has the right counts, but is not CoOp's file ({digest[:19]}... instead of "
            f"{published[:19]}...); CoOp generates such a file if the original is missing.",
            f"{quoted('mv', dataset.split_file, f'{dataset.split_file}.old')} && {fetch}",
        )


PARTITIONS = ("train", "val", "valid", "validation", "test")


def misplaced_images_rule(dataset: DatasetOnDisk) -> Iterator[Finding]:
    """Images that are not where the split file expects them; yields the first explanation that fits."""
    if dataset.info.split_file is None or (dataset.listed_keys and not dataset.missing_keys):
        return
    if not dataset.listed_keys:
        yield from _image_folder_by_name(dataset)
        return
    for rule in (_another_dataset, _kaggle_cars, _partitioned, _elsewhere, _other_case, packed_archives):
        if found := list(rule(dataset)):
            yield from found
            return
    total, missing = len(dataset.listed_keys), len(dataset.missing_keys)
    text = f"{missing} of the {total} images that the split file lists are not below {dataset.image_folder}"
    if missing > total / 2 and image_count(dataset.image_folder, enough=50):
        yield Finding(
            "wrong-images",
            f"{text}, but other images are: the split file does not belong to these images.",
            f"{quoted('mv', dataset.image_folder, f'{dataset.image_folder}.other')} && {dataset.fetch_command()}",
        )
        return
    yield Finding("images-missing", f"{text}, for example {some(dataset.missing_keys)}.", dataset.fetch_command())


def _image_folder_by_name(dataset: DatasetOnDisk) -> Iterator[Finding]:
    """Without a split file, only a folder of the right name can be found."""
    if dataset.image_folder.is_dir():
        return
    wanted = Path(dataset.source.images).name.lower()
    if alike := [folder for folder in dataset.subfolders if folder.name.lower() == wanted]:
        yield _moved(dataset, alike[0])
    else:
        yield from no_images(dataset)


def _another_dataset(dataset: DatasetOnDisk) -> Iterator[Finding]:
    """Stanford Dogs instead of Oxford Pets: folders such as n02085620-Chihuahua."""
    dogs = (folder for folder in dataset.subfolders if re.fullmatch(r"n\d{8}-.+", folder.name))
    if dataset.name == "oxford_pets" and (dog := next(dogs, None)):
        yield Finding(
            "stanford-dogs",
            f"{dog.parent} contains Stanford Dogs ({dog.name}, ...), a different dataset from Oxford Pets.",
            f"{quoted('mv', dog.parent, dataset.data_root / 'stanford_dogs')} && {dataset.fetch_command()}",
        )


def _kaggle_cars(dataset: DatasetOnDisk) -> Iterator[Finding]:
    """Kaggle's copies of Stanford Cars: nested, in one folder per class, or in one folder under new numbers."""
    if dataset.name != "stanford_cars":
        return
    moves: dict[Path, str] = {}
    for part in ("train", "test"):
        target = dataset.folder / f"cars_{part}"
        named = [folder for folder in dataset.subfolders if folder.name in {f"cars_{part}", part} and folder != target]
        if inner := [folder for folder in named if image_count(folder, enough=1)]:
            deepest = max(inner, key=lambda folder: len(folder.parts))
            move = quoted("find", deepest, "-name", "*.jpg", "-exec", "mv", "{}", f"{target}/", ";")
            moves[deepest] = f"{quoted('mkdir', '-p', target)} && {move}"
    if moves:
        text = f"The images have the layout of a Kaggle copy ({next(iter(moves))}); CoOp's split file lists "
        yield Finding("kaggle-cars", f"{text}cars_train/00001.jpg.", " && ".join(moves.values()), layout=True)
        return
    if renamed := [folder for folder in (dataset.folder, *dataset.subfolders) if (folder / "000001.jpg").is_file()]:
        yield Finding(
            "kaggle-cars-renumbered",
            f"{renamed[0]} contains all images under six-digit numbers, which the split file does not use; the names "
            f"do not identify the images.",
            f"get a copy with cars_train/ and cars_test/: {dataset.fetch_command()}",
        )


def _partitioned(dataset: DatasetOnDisk) -> Iterator[Finding]:
    """The images are sorted into train and test folders, as in SUN397's official partition."""
    for base in (dataset.image_folder, dataset.folder, *dataset.subfolders):
        parts = [base / part for part in PARTITIONS if (base / part).is_dir()]
        if len(parts) < 2 or any(key.startswith(PARTITIONS) for key in dataset.missing_sample):
            continue
        found = sum(any((part / key).is_file() for part in parts) for key in dataset.missing_sample)
        by_class = [path for part in parts for path in folders_below(part, 1)]
        if found or by_class:
            merge = quoted("cp", "-R", *(f"{part}/." for part in parts), f"{dataset.image_folder}/")
            flat = "" if found else " Class folders may lack parts of their path, such as a/ in a/abbey."
            yield Finding(
                "partitioned",
                f"{base} is sorted into {' and '.join(part.name for part in parts)}, which the split file does not "
                f"use: it lists {dataset.missing_sample[0]}.{flat}",
                f"{quoted('mkdir', '-p', dataset.image_folder)} && {merge}",
                layout=True,
            )
            return


def _elsewhere(dataset: DatasetOnDisk) -> Iterator[Finding]:
    """All images exist, but below another folder: nested, unpacked at the wrong level, or renamed."""
    beside = [folder for folder in folders_below(dataset.data_root, 2) if folder != dataset.folder]
    for folder in (dataset.folder, *dataset.subfolders, dataset.data_root, *beside):
        if folder != dataset.image_folder and all((folder / key).is_file() for key in dataset.missing_sample):
            yield _moved(dataset, folder)
            return


def _moved(dataset: DatasetOnDisk, folder: Path) -> Finding:
    images = dataset.image_folder
    tops = sorted({PurePosixPath(key).parts[0] for key in dataset.listed_keys})
    if folder == dataset.folder and len(tops) <= 200:
        create, move = images, quoted("mv", *(folder / top for top in tops), f"{images}/")
    elif images.exists() or folder == dataset.folder:
        create = images
        move = quoted("find", folder, "-mindepth", "1", "-maxdepth", "1", "-exec", "mv", "{}", f"{images}/", ";")
    else:
        create, move = images.parent, quoted("mv", folder, images)
    command = move if create == images.parent and create.is_dir() else f"{quoted('mkdir', '-p', create)} && {move}"
    code = "nested" if folder.is_relative_to(images) or folder.name == images.name else "misplaced-images"
    return Finding(code, f"The images are below {folder}; they belong below {images}.", command, layout=True)


def _other_case(dataset: DatasetOnDisk) -> Iterator[Finding]:
    """Folders whose names differ only in capitals, as after a copy from another system."""
    for key in dataset.missing_sample:
        folder = dataset.data_root
        parts = [*dataset.image_folder.relative_to(dataset.data_root).parts, *PurePosixPath(key).parts]
        for part in parts[:-1]:
            if (folder / part).is_dir():
                folder = folder / part
                continue
            alike = [entry for entry in folders_below(folder, 1) if entry.name.lower() == part.lower()]
            if not alike:
                break
            missing = dataset.missing_keys
            n = sum(part in PurePosixPath(other).parts for other in missing) or len(missing)
            yield Finding(
                "case-renamed",
                f"{alike[0]} differs only in capitals from {part} in the split file, so {n} images are not found. "
                f"Other folders may be affected too; check again after this fix.",
                quoted("mv", alike[0], folder / part),
            )
            return


_CLASS = re.compile(r"n\d{8}|\d{1,3}")
"""A class folder: a WordNet id, or a label."""


def flower_names_rule(dataset: DatasetOnDisk) -> Iterator[Finding]:
    """Flowers without cat_to_name.json, which CoOp's code needs."""
    if dataset.name == "oxford_flowers" and not (dataset.folder / "cat_to_name.json").is_file():
        yield Finding(
            "no-cat-to-name",
            f"There is no {dataset.folder / 'cat_to_name.json'}. The names are known here, but CoOp's code needs it.",
            dataset.fetch_command("--splits-only"),
            FindingLevel.NOTE,
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


LAYOUT_RULES: tuple[Callable[[DatasetOnDisk], Iterator[Finding]], ...] = (
    split_file_rule,
    misplaced_images_rule,
    flower_names_rule,
    imagenet_rule,
    packed_files,
    lambda dataset: broken_entries(dataset.folder),
)


def apply_layout_rules(dataset: DatasetOnDisk) -> list[Finding]:
    """The findings of all rules; if the dataset's folder is missing, only those of the rule for that."""
    if not dataset.folder.is_dir():
        return list(missing_folder_rule(dataset))
    return [finding for rule in LAYOUT_RULES for finding in rule(dataset)]
