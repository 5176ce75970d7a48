"""Adds a custom dataset: inspects the images, reads them as a run would, and only then writes the TOML file."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from datasets_registry._catalogue import DATASETS
from datasets_registry._custom.dataset import CustomDataset, Kind, read_custom
from datasets_registry._custom.describe import AddRequest, describe_images
from datasets_registry._custom.inspection import Inspection, Progress
from datasets_registry._custom.listing import SKIPPED
from datasets_registry._custom.table import delimiter_name
from datasets_registry._custom.toml_file import write_toml
from datasets_registry._errors import BenchError, RegistrationError
from datasets_registry._registry import NAME_PATTERN
from datasets_registry._types import PARTS, DatasetInfo, DatasetSplits

USUAL_SHOTS = (16, 8, 4, 2, 1)


@dataclass(frozen=True)
class AddedDataset:
    """A dataset that was added.

    Args:
        info: its entry.
        splits: its images, as a run reads them.
        file: its TOML file.
        inspection: the facts of every image.
        small: number of images of each left-out class.
    """

    info: DatasetInfo
    config: CustomDataset
    splits: DatasetSplits
    file: Path
    inspection: Inspection
    small: dict[str, int]

    @property
    def max_shots(self) -> int:
        """The largest of the usual numbers of shots that every class supports; 0 if a class has no training image."""
        return next((shots for shots in USUAL_SHOTS if shots <= min(self.train_sizes)), 0)

    @property
    def usual_shots(self) -> int:
        """The largest of the usual numbers of shots that at least half of the classes support; at least 1."""
        middle = sorted(self.train_sizes)[len(self.train_sizes) // 2]
        return next((shots for shots in USUAL_SHOTS if shots <= middle), 1)

    @cached_property
    def label_of(self) -> dict[str, str]:
        """The label of each used image, by key."""
        samples = (sample for part in PARTS for sample in getattr(self.splits, part))
        return {sample.key: self.config.classes[sample.label] for sample in samples}

    @cached_property
    def train_sizes(self) -> list[int]:
        """Number of training images of each class."""
        counts = Counter(sample.label for sample in self.splits.train)
        return [counts[label] for label in range(len(self.splits.class_names))]

    @cached_property
    def copies_across_classes(self) -> list[list[str]]:
        """Groups of images with the same bytes in more than one class."""
        copies = self.inspection.copies(self.label_of)
        return [keys for keys in copies if len({self.label_of[key] for key in keys}) > 1]

    @property
    def links_to_other_classes(self) -> dict[str, str]:
        """Images that are links to an image of another class, with the label of that class."""
        return {key: label for key, label in self.inspection.links.items() if key in self.label_of}

    def facts(self) -> dict[str, object]:
        """The facts as plain values, for a table or JSON."""
        keys, found = list(self.label_of), self.inspection
        table = self.config.kind is Kind.TABLE
        delimiter = delimiter_name(self.config.place(self.file.parent)) if table else None
        return {
            "name": self.info.name,
            "file": str(self.file),
            "kind": str(self.config.kind),
            **({} if delimiter is None else {"delimiter": delimiter}),
            "split": str(self.config.split),
            "template": self.info.template,
            "classes": len(self.splits.class_names),
            "class_names": list(self.splits.class_names),
            "images": len(keys),
            "train_images": len(self.splits.train),
            "validation_images": len(self.splits.val),
            "test_images": len(self.splits.test),
            "smallest_class": min(self.train_sizes),
            "most_shots": self.max_shots,
            "image_sizes": found.sizes(keys),
            "tiny_images": len(found.tiny(keys)),
            "turned_by_exif": len(found.turned(keys)),
            "duplicates": sum(len(group) - 1 for group in found.copies(self.label_of)),
            "duplicates_across_classes": len(self.copies_across_classes),
            "links_to_other_classes": len(self.links_to_other_classes),
            "broken_images": len(self.config.skip),
            "small_classes": self.small,
            "left_out": {kind: len(paths) for kind, paths in self.splits.left_out.items() if kind != SKIPPED},
        }


def add_dataset(request: AddRequest, folder: Path, *, replace: bool, progress: Progress | None = None) -> AddedDataset:
    """Inspect all images, read them as a run would, then write `folder/NAME.toml`.

    Args:
        progress: receives the number of inspected images and of all images.

    Raises:
        RegistrationError: the name is malformed or taken, or the file exists and `replace` is false.
        BadImagesError: some images cannot be read; the error lists all of them.
        DataError: there are too few images or classes, or the folder cannot be written.
    """
    file = folder / f"{request.name}.toml"
    _check_name(request.name, file, replace=replace)
    if request.template.count("{}") != 1:
        how = "more than one" if "{}" in request.template else "no"
        raise BenchError(
            f"--template {request.template!r} has {how} '{{}}' for the class name; write 'a photo of a {{}}.'"
        )
    config, inspection, small = describe_images(request, progress)
    splits = config.info(request.name, folder).reader(None)
    write_toml(config, file)
    return AddedDataset(read_custom(file), config, splits, file, inspection, small)


def _check_name(name: str, file: Path, *, replace: bool) -> None:
    if not NAME_PATTERN.fullmatch(name):
        raise RegistrationError(
            f"Dataset name {name!r} must match {NAME_PATTERN.pattern!r}: lower-case letters, digits and _, "
            f"starting with a letter."
        )
    if file.exists() and not replace:
        raise RegistrationError(f"{file} exists. Give --replace to overwrite it, or another name.")
    if name in DATASETS and not file.exists():
        raise RegistrationError(f"Dataset {name!r} is already in the catalogue. Give your images another name.")
