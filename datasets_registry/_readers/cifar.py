"""CIFAR-10 and CIFAR-100 from their binary archives; the archives for Python are pickles and are not read."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasets_registry._catalogue import register_dataset
from datasets_registry._draws.held_out import hold_out_validation
from datasets_registry._errors import DataError
from datasets_registry._readers.dataset_files import ImageFolders, packaged_names, require_images
from datasets_registry._readers.image_sources import RecordImages
from datasets_registry._types import DatasetInfo, DatasetSplits, Sample

_SIDE = 32
_MOST_RECORDS = 50_000
"""Most images of a file; the largest published one has as many."""


def register_cifar(
    name: str, *, folder: str, train_files: Sequence[str], test_file: str, label_bytes: int, held_out: int, **facts: Any
) -> DatasetInfo:
    """Register one of the two datasets, whose files have records; the last of their `label_bytes` is the label.

    `held_out` training images of each class are val, 5,000 in all as in VTAB.
    """
    names = packaged_names(name)
    folders = ImageFolders(name, {folder: "the binary archive as it unpacks"})

    def samples_of(images: RecordImages, file: str) -> list[Sample]:
        labels = images.labels(file, _MOST_RECORDS)[:, -1].tolist()
        if (largest := max(labels)) >= len(names):
            raise DataError(
                f"{file} of dataset {name!r} has the label {largest}, but there are {len(names)} classes. "
                "Unpack the published archive again."
            )
        return [Sample(f"{file}/{row}", label) for row, label in enumerate(labels)]

    def read(data_root: Path | None) -> DatasetSplits:
        advice = f" Run `etl-bench datasets fetch {name}`; the archive for Python is not read, since it is pickled."
        _, place, layout = require_images(folders, data_root, advice)
        images = RecordImages(place, label_bytes, _SIDE)
        training = [sample for file in train_files for sample in samples_of(images, file)]
        test = tuple(samples_of(images, test_file))
        train, val = hold_out_validation(training, name, held_out)
        return DatasetSplits(images, names, train, val, test, layout)

    return register_dataset(
        DatasetInfo(
            name=name, num_classes=len(names), class_names=names, template="a photo of a {}.",
            expected={"train": 45000, "val": 5000, "test": 10000},
            licence="not verified (its page)", homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
            citation="""@techreport{krizhevsky2009learning,
  title = {Learning Multiple Layers of Features from Tiny Images},
  author = {Krizhevsky, Alex},
  institution = {University of Toronto},
  year = {2009}
}""",
            reader=read, **facts,
        )
    )  # fmt: skip
