"""Images that are not in the folders that the split file names."""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from datasets_registry._doctor.findings import Finding, quoted
from datasets_registry._doctor.layout_rules.archives import no_images, packed_archives
from datasets_registry._doctor.layout_rules.dataset_on_disk import DatasetOnDisk, folders_below, image_count
from datasets_registry._errors import some

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
