"""Datasets in CoOp's layout: a `split_zhou_*.json` beside the image folder. A missing split file is never generated."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from datasets_registry._errors import DataError, MissingDataError
from datasets_registry._readers.dataset_files import ImageFolders, require_root
from datasets_registry._readers.foreign_files import read_json
from datasets_registry._readers.image_sources import ImageFiles
from datasets_registry._types import PARTS, DatasetSplits, Images, Sample


@dataclass(frozen=True)
class CoopReader:
    """Reads `<data_root>/<folder>/<split_file>` and the images below `<data_root>/<folder>/<image_folder>`.

    Class names and labels come from the split file, which may list only some of the classes or images. It may also be
    in the data folder itself. If CoOp's image folder does not exist, `other_folders` are tried, and then the images are
    searched by file name.

    Args:
        folder: CoOp's name of the dataset's folder.
        image_folder: the folder below `folder` that paths in the split file are relative to.
        other_folders: other image folders below the data folder, each with the name of its layout.
        folder_aliases: other names of a folder that the split file's paths begin with.
        group_pattern: a regular expression for paths whose joined groups are the image's group; paths that it does not
            match have none. None for a dataset without groups.
    """

    dataset: str
    folder: str
    split_file: str
    image_folder: str
    split_url: str
    images_url: str
    other_folders: Mapping[str, str] = field(default_factory=dict)
    folder_aliases: Mapping[str, Sequence[str]] = field(default_factory=dict)
    group_pattern: str | None = None

    @property
    def image_folders(self) -> ImageFolders:
        """The folders that may hold the images."""
        return ImageFolders(self.dataset, {self._coop_folder: "CoOp", **self.other_folders}, self.folder_aliases)

    @property
    def _coop_folder(self) -> str:
        return f"{self.folder}/{self.image_folder}".rstrip("/")

    def __call__(self, data_root: Path | None) -> DatasetSplits:
        """The splits on disk.

        Raises DataError, naming the folders it searched, if the folder, the split file or an image is missing, or if
        the split file is malformed.
        """
        layout = f"{self.folder}/{self.split_file} and {self._coop_folder}/"
        root = require_root(self.dataset, data_root, [layout])
        path = self._split_path(root, layout)
        split = self._read(path)
        if (images_and_layout := self.image_folders.find_images(root, split.keys)) is None:
            raise self._missing_images(root, path, split.keys)
        images, layout_name = images_and_layout
        return replace(split, images=images, layout=layout_name)

    def lists(self, data_root: Path | None) -> DatasetSplits:
        """The lists of the split file, which may be on disk without the images.

        The file is searched in the dataset's folders and in the data folder itself. Raises DataError if it is not
        found.
        """
        root = require_root(self.dataset, data_root, [self.split_file])
        for folder in (*self.image_folders.dataset_folders(root), root):
            if (folder / self.split_file).is_file():
                return self._read(folder / self.split_file)
        raise DataError(f"No split file {self.split_file} of {self.dataset!r} in {root}. Get it from {self.split_url}.")

    def _read(self, path: Path) -> DatasetSplits:
        """The split file, with the group of each image."""
        split = read_coop_split(path)
        if self.group_pattern is None:
            return split
        train, val, test = (tuple(map(self.with_group, samples)) for samples in (split.train, split.val, split.test))
        return replace(split, train=train, val=val, test=test)

    def with_group(self, sample: Sample) -> Sample:
        """The sample with the group that its path names, if any."""
        match = re.search(self.group_pattern or "", sample.key)
        return replace(sample, group="".join(match.groups())) if match else sample

    def _split_path(self, root: Path, layout: str) -> Path:
        if folders := self.image_folders.dataset_folders(root):
            for folder in (*folders, root):
                if (folder / self.split_file).is_file():
                    return folder / self.split_file
            raise DataError(
                f"No split file of {self.dataset!r} at {folders[0] / self.split_file}. It defines train, val and "
                f"test, and is never generated here. Get it from {self.split_url} and put it there."
            )
        if (root / self.split_file).is_file():
            raise DataError(
                f"The data folder {root} is the dataset {self.dataset!r} itself. Give its parent folder, which "
                f"must contain {layout}, as --data-root or ETL_BENCH_DATA."
            )
        other_folders = f" (or {', '.join(self.other_folders)})" if self.other_folders else ""
        raise MissingDataError(
            f"No folder {root / self.folder} for dataset {self.dataset!r}. --data-root (or ETL_BENCH_DATA) is {root}; "
            f"it must contain {layout}{other_folders}. Images: {self.images_url}; split file: {self.split_url}."
        )

    def _missing_images(self, root: Path, path: Path, keys: Sequence[str]) -> DataError:
        if (existing := self.image_folders.first_existing(root)) is None:
            return DataError(
                f"No images of {self.dataset!r} at {root / next(iter(self.image_folders.candidates))}. "
                f"Get them from {self.images_url} and unpack them there."
            )
        absent = ImageFiles(root / existing).missing(keys)
        return DataError(
            f"{len(absent)} of the {len(keys)} images that {path} lists are not below {root / existing}, for example "
            f"{', '.join(absent[:3])}. Unpack the archive from {self.images_url} again, or use the split file that "
            f"belongs to these images."
        )


def read_coop_split(path: Path, images: Images | None = None) -> DatasetSplits:
    """Read and check one split file: three lists of `[image path, label, class name]`, which keep their order.

    The paths are keys of `images`, by default of the files beside the split file, which need not exist.

    Raises DataError, naming the file and the offending entry, if a list is missing, an entry has another shape, a path
    leaves the image folder, a path occurs twice, a label has two names, or labels do not run from 0 without gaps.
    """
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        raise DataError(f"Split file {path} cannot be read as JSON ({error}). Get it again from its source.") from error
    if not isinstance(content, dict) or set(content) != set(PARTS):
        keys = sorted(content) if isinstance(content, dict) else type(content).__name__
        raise _malformed(path, f"it must be one object with the keys train, val and test, but has {keys}")

    names: dict[int, str] = {}
    first_seen: dict[str, str] = {}
    parts: dict[str, tuple[Sample, ...]] = {}
    for part in PARTS:
        if not isinstance(content[part], list):
            raise _malformed(path, f"{part!r} must be a list, but is {type(content[part]).__name__}")
        samples: list[Sample] = []
        for i, entry in enumerate(content[part]):
            where = f"{part}[{i}]"
            key, label, name = _entry(path, where, entry)
            if key in first_seen:
                raise _malformed(path, f"{where} repeats the image {key!r} of {first_seen[key]}")
            first_seen[key] = where
            if names.setdefault(label, name) != name:
                raise _malformed(path, f"{where} calls label {label} {name!r}, but an earlier entry {names[label]!r}")
            samples.append(Sample(key, label))
        parts[part] = tuple(samples)
    if not names:
        raise _malformed(path, "it lists no image")
    if (missing := next((n for n, label in enumerate(sorted(names)) if n != label), None)) is not None:
        raise _malformed(path, f"labels must run from 0 to {max(names)} without gaps, but {missing} is missing")
    class_names = tuple(names[label] for label in range(len(names)))
    train, val, test = (parts[part] for part in PARTS)
    return DatasetSplits(images or ImageFiles(path.parent), class_names, train, val, test)


def _entry(path: Path, where: str, entry: Any) -> tuple[str, int, str]:
    is_triple = isinstance(entry, Sequence) and not isinstance(entry, str) and len(entry) == 3
    # bool is a subclass of int, but `true` is not a label
    if not (is_triple and isinstance(entry[0], str) and type(entry[1]) is int and isinstance(entry[2], str)):
        raise _malformed(path, f"{where} must be [image path, label, class name], but is {json.dumps(entry)[:80]}")
    key, label, name = entry
    if label < 0:
        raise _malformed(path, f"{where} has the negative label {label}")
    pure = PurePosixPath(key)
    if not key or pure.is_absolute() or ".." in pure.parts or "\\" in key:
        raise _malformed(path, f"{where} has the path {key!r}, which is not a plain path below the image folder")
    if not name.strip():
        raise _malformed(path, f"{where} has an empty class name")
    return key, label, name


def _malformed(path: Path, problem: str) -> DataError:
    return DataError(f"Split file {path} is malformed: {problem}. Correct the file, or get it again from its source.")
