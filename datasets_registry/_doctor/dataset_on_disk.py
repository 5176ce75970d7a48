"""One dataset on this machine as the rules read it, and the findings that they return. Reads no pixels."""

import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from datasets_registry._download.sources import DatasetSource, dataset_sources
from datasets_registry._errors import DataError
from datasets_registry._readers.coop_split import read_coop_split
from datasets_registry._readers.image_formats import image_suffixes
from datasets_registry._readers.image_sources import ImageFiles
from datasets_registry._types import DatasetInfo


class FindingLevel(StrEnum):
    """`problem`: runs would fail or give wrong results. `note`: runs work, but the user should know."""

    PROBLEM = "problem"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding, in one sentence.

    Args:
        code: its name in `etl-bench doctor docs datasets`.
        fix: the command that fixes it; empty if there is nothing to fix.
        layout: whether it concerns the location of files, which does not matter if the reader finds them.
    """

    code: str
    text: str
    fix: str = ""
    level: FindingLevel = FindingLevel.PROBLEM
    layout: bool = False


def quoted(*words: object) -> str:
    """Words as one shell command."""
    return shlex.join(str(word) for word in words)


def fetch_command(name: str, *options: str, data_root: Path | None) -> str:
    """The command that fetches a dataset."""
    where = ("--data-root", data_root) if data_root is not None else ()
    source = dataset_sources().get(name)
    needed = () if source is None or "--splits-only" in options else source.fetch_options
    return quoted("etl-bench", "datasets", "fetch", name, *options, *needed, *where)


ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".rar", ".7z")
SEARCH_DEPTH = 4
"""Levels of folders below the dataset's folder that are searched."""
SAMPLE_SIZE = 20
"""Number of missing images that are looked up in each candidate folder."""


@dataclass(frozen=True)
class DatasetOnDisk:
    """One dataset on this machine, without reading an image."""

    info: DatasetInfo
    source: DatasetSource
    data_root: Path

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def folder(self) -> Path:
        """The dataset's folder in CoOp's layout."""
        return self.data_root / self.source.folder

    @property
    def image_folder(self) -> Path:
        """The folder of the images in CoOp's layout."""
        return self.source.image_folder(self.data_root)

    @cached_property
    def split_file(self) -> Path | None:
        """The split file in one of the folders that the reader searches, or None."""
        if self.info.split_file is None:
            return None
        places = [self.folder / self.info.split_file, self.data_root / self.info.split_file]
        return next((place for place in places if place.is_file()), None)

    @cached_property
    def listed_keys(self) -> list[str]:
        """Keys of the images that the split file lists; empty without a readable split file."""
        if self.split_file is None:
            return []
        try:
            return read_coop_split(self.split_file).keys
        except DataError:
            return []

    @cached_property
    def missing_keys(self) -> list[str]:
        """The listed images that are not in the image folder."""
        if not self.image_folder.is_dir():
            return self.listed_keys
        return ImageFiles(self.image_folder).missing(self.listed_keys)

    @cached_property
    def missing_sample(self) -> list[str]:
        """A sample of the missing images, spread evenly over the list."""
        step = max(1, len(self.missing_keys) // SAMPLE_SIZE)
        return self.missing_keys[::step][:SAMPLE_SIZE]

    @cached_property
    def subfolders(self) -> list[Path]:
        """Folders below the dataset's folder, by depth."""
        return list(folders_below(self.folder, SEARCH_DEPTH))

    def fetch_command(self, *options: str) -> str:
        """The command that fetches the dataset."""
        return fetch_command(self.name, *options, data_root=self.data_root)

    def archives(self, *places: Path) -> list[Path]:
        """Archives in these folders."""
        found = [path for place in places if place.is_dir() for path in sorted(place.iterdir())]
        return [path for path in found if path.name.lower().endswith(ARCHIVE_SUFFIXES) and path.is_file()]


def folders_below(top: Path, depth: int) -> Iterator[Path]:
    """Folders down to a depth, by depth; does not follow links and skips unreadable folders."""
    level = [top]
    for _ in range(depth):
        below: list[Path] = []
        for folder in level:
            try:
                with os.scandir(folder) as entries:
                    below += [folder / e.name for e in entries if e.is_dir(follow_symlinks=False)]
            except OSError:
                continue
        below.sort()
        yield from below
        level = below[:2000]


def image_count(folder: Path, *, enough: int) -> int:
    """Number of images below a folder; counting stops at `enough`."""
    n, suffixes = 0, image_suffixes()
    for _, _, names in os.walk(folder):
        n += sum(Path(name).suffix.lower() in suffixes for name in names)
        if n >= enough:
            break
    return n
