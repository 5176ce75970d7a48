"""CIFAR-10 and CIFAR-100 from their binary archives; the archives for Python are pickles and are not read."""

from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class _CifarReader:
    """Reads the records of `files`; the last of their `label_bytes` is the label."""

    image_folders: ImageFolders
    n_classes: int
    train_files: Sequence[str]
    test_file: str
    label_bytes: int
    held_out: int

    def __call__(self, data_root: Path | None) -> DatasetSplits:
        dataset = self.image_folders.dataset
        advice = f" Run `etl-bench datasets fetch {dataset}`; the archive for Python is not read, since it is pickled."
        _, folder, layout = require_images(self.image_folders, data_root, advice)
        images = RecordImages(folder, self.label_bytes, _SIDE)
        training = [sample for file in self.train_files for sample in self._samples(images, file)]
        test = tuple(self._samples(images, self.test_file))
        train, val = hold_out_validation(training, dataset, self.held_out)
        return DatasetSplits(images, packaged_names(dataset), train, val, test, layout)

    def _samples(self, images: RecordImages, file: str) -> list[Sample]:
        labels = images.labels(file, _MOST_RECORDS)[:, -1].tolist()
        if (largest := max(labels)) >= self.n_classes:
            raise DataError(
                f"{file} of dataset {self.image_folders.dataset!r} has the label {largest}, but there are "
                f"{self.n_classes} classes. Unpack the published archive again."
            )
        return [Sample(f"{file}/{row}", label) for row, label in enumerate(labels)]


def register_cifar(
    name: str, *, folder: str, train_files: Sequence[str], test_file: str, label_bytes: int, held_out: int, **facts: Any
) -> DatasetInfo:
    """Register one of the two datasets; `held_out` training images of each class are val, 5,000 in all as in VTAB."""
    names = packaged_names(name)
    folders = ImageFolders(name, {folder: "the binary archive as it unpacks"})
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
            reader=_CifarReader(folders, len(names), train_files, test_file, label_bytes, held_out), **facts,
        )
    )  # fmt: skip
