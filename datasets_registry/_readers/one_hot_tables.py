"""Datasets whose labels are tables with one row per image and one column of zeros and a one per class."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets_registry._draws.held_out import hold_out_groups, hold_out_validation, split_by_hash
from datasets_registry._errors import DataError
from datasets_registry._readers.dataset_files import (
    ImageFolders,
    listed_images,
    packaged_names,
    read_csv_rows,
    require_images,
)
from datasets_registry._readers.register_datasets import register_named
from datasets_registry._types import DatasetInfo, DatasetSplits, Sample


@dataclass(frozen=True)
class OneHotReader:
    """Reads one folder of images and the tables of its parts, which are beside it.

    Args:
        class_names: in label order.
        columns: the column of each class in the tables, in label order.
        tables: the table of `train` and, if the source has parts, of `test`. Without one for `test`, 50, 20 and 30 % of
            each class are train, val and test by a hash.
        images_url: source of the images, for messages.
        path_column: the column of the image's file name, to which `suffix` is appended.
        group_pattern: a regular expression for file names whose first group is the image's group.
        group_table: a table of the groups, as its file name, path column and group column.
        held_out: with parts, the number of training groups that are val, or of training images of each class if images
            have no groups.
    """

    image_folders: ImageFolders
    class_names: Sequence[str]
    columns: Sequence[str]
    tables: Mapping[str, str]
    images_url: str
    path_column: str = "Path"
    suffix: str = ""
    group_pattern: str | None = None
    group_table: tuple[str, str, str] | None = None
    held_out: int = 0

    def __call__(self, data_root: Path | None) -> DatasetSplits:
        """The splits on disk. Raises DataError if a folder, table or listed image is missing, or a row is malformed."""
        root, folder, layout = require_images(
            self.image_folders, data_root, f" Get the images from {self.images_url} and unpack them there."
        )
        tables = next(top for top in self.image_folders.dataset_folders(root) if folder.is_relative_to(top))
        groups = self._groups(tables)
        listed = {part: self._samples(tables / file, groups) for part, file in self.tables.items()}
        train, test = listed["train"], listed.get("test", ())
        images = listed_images(self._dataset, folder, (*train, *test), self.images_url)
        if not test:
            train, val, test = split_by_hash(train, self._dataset)
        else:
            grouped = any(sample.group for sample in train)
            train, val = (hold_out_groups if grouped else hold_out_validation)(train, self._dataset, self.held_out)
        return DatasetSplits(images, tuple(self.class_names), train, val, test, layout)

    @property
    def _dataset(self) -> str:
        return self.image_folders.dataset

    def _samples(self, table: Path, groups: Mapping[str, str]) -> tuple[Sample, ...]:
        samples = []
        for row in read_csv_rows(table, self._dataset, (self.path_column, *self.columns)):
            key = f"{row[self.path_column]}{self.suffix}"
            ones = [label for label, column in enumerate(self.columns) if row[column] in ("1", "1.0")]
            if len(ones) != 1:
                raise DataError(
                    f"{table} of dataset {self._dataset!r} has {len(ones)} classes for {key}, but an image has one. "
                    "Get the published table again."
                )
            group = groups.get(key)
            if self.group_pattern and (found := re.match(self.group_pattern, key)):
                group = found[1]
            samples.append(Sample(key, ones[0], group))
        return tuple(samples)

    def _groups(self, tables: Path) -> dict[str, str]:
        """The group of each image from the table of groups."""
        if self.group_table is None:
            return {}
        file, path_column, group_column = self.group_table
        rows = read_csv_rows(tables / file, self._dataset, (path_column, group_column))
        return {f"{row[path_column]}{self.suffix}": row[group_column] for row in rows}


def register_one_hot_dataset(
    name: str,
    *,
    template: str,
    image_folders: Mapping[str, str],
    columns: Sequence[str],
    tables: Mapping[str, str],
    images_url: str,
    path_column: str = "Path",
    suffix: str = "",
    group_pattern: str | None = None,
    group_table: tuple[str, str, str] | None = None,
    held_out: int = 0,
    **facts: Any,
) -> DatasetInfo:
    """Register a dataset with one-hot tables; its class names are in `data/<name>.txt`.

    `image_folders` are the candidates of `ImageFolders`, the arguments from `columns` to `held_out` are those of
    `OneHotReader`, and `facts` are fields of `DatasetInfo`.
    """
    names = packaged_names(name)
    reader = OneHotReader(
        ImageFolders(name, image_folders), names, columns, tables, images_url, path_column, suffix, group_pattern,
        group_table, held_out,
    )  # fmt: skip
    return register_named(name, names, reader, template, **facts)
