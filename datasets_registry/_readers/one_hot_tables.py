"""Datasets whose labels are tables with one row per image and one column of zeros and a one per class."""

import re
from collections.abc import Mapping, Sequence
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
    """Register a dataset of one folder of images and the tables of its parts, which are beside it.

    Its class names are in `data/<name>.txt`. Its reader raises DataError if a folder, table or listed image is missing,
    or a row is malformed.

    Args:
        image_folders: the candidates of `ImageFolders`.
        columns: the column of each class in the tables, in label order.
        tables: the table of `train` and, if the source has parts, of `test`. Without one for `test`, 50, 20 and 30 % of
            each class are train, val and test by a hash.
        images_url: source of the images, for messages.
        path_column: the column of the image's file name, to which `suffix` is appended.
        group_pattern: a regular expression for file names whose first group is the image's group.
        group_table: a table of the groups, as its file name, path column and group column.
        held_out: with parts, the number of training groups that are val, or of training images of each class if images
            have no groups.
        facts: fields of `DatasetInfo`.
    """
    names, folders = packaged_names(name), ImageFolders(name, image_folders)

    def groups_of_images(beside: Path) -> dict[str, str]:
        if group_table is None:
            return {}
        file, group_path, group_column = group_table
        rows = read_csv_rows(beside / file, name, (group_path, group_column))
        return {f"{row[group_path]}{suffix}": row[group_column] for row in rows}

    def samples_of(table: Path, groups: Mapping[str, str]) -> tuple[Sample, ...]:
        samples = []
        for row in read_csv_rows(table, name, (path_column, *columns)):
            key = f"{row[path_column]}{suffix}"
            ones = [label for label, column in enumerate(columns) if row[column] in ("1", "1.0")]
            if len(ones) != 1:
                raise DataError(
                    f"{table} of dataset {name!r} has {len(ones)} classes for {key}, but an image has one. "
                    "Get the published table again."
                )
            group = groups.get(key)
            if group_pattern and (match := re.match(group_pattern, key)):
                group = match[1]
            samples.append(Sample(key, ones[0], group))
        return tuple(samples)

    def read(data_root: Path | None) -> DatasetSplits:
        root, folder, layout = require_images(
            folders, data_root, f" Get the images from {images_url} and unpack them there."
        )
        beside = next(top for top in folders.dataset_folders(root) if folder.is_relative_to(top))
        groups = groups_of_images(beside)
        listed = {part: samples_of(beside / file, groups) for part, file in tables.items()}
        train, test = listed["train"], listed.get("test", ())
        images = listed_images(name, folder, (*train, *test), images_url)
        if not test:
            train, val, test = split_by_hash(train, name)
        else:
            grouped = any(sample.group for sample in train)
            train, val = (hold_out_groups if grouped else hold_out_validation)(train, name, held_out)
        return DatasetSplits(images, names, train, val, test, layout)

    return register_named(name, names, read, template, **facts)
