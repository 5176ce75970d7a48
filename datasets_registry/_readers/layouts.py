"""Where a dataset's images lie: the usual folders, and a search by file name for all others.

Keys stay those of the split file whatever the layout, so that draws, fingerprints and cached features agree between a
person with CoOp's folders and one with torchvision's.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path, PurePosixPath

from datasets_registry._errors import DataError
from datasets_registry._readers.files import ImageFiles

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".webp", ".tif", ".tiff"})
"""File names that count as images, in lower case."""


@dataclass(frozen=True)
class ImageFolder:
    """One place below the data folder, and whose layout it is."""

    path: str
    layout: str

    @property
    def top(self) -> str:
        """The dataset's own folder: the first part of the path."""
        return PurePosixPath(self.path).parts[0]


@dataclass(frozen=True)
class ImageFolders:
    """The candidate folders of one dataset's images, CoOp's first, relative to the data folder.

    Args:
        dataset: registry id, for messages.
        candidates: in the order of preference.
        folder_aliases: other names of a folder that keys begin with (`cars_train` -> `train`), for the search by file
            name.
    """

    dataset: str
    candidates: Sequence[ImageFolder]
    folder_aliases: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def dataset_folders(self, data_root: Path) -> list[Path]:
        """The dataset's folders that exist, without repetition."""
        names = dict.fromkeys(place.top for place in self.candidates)
        return [data_root / name for name in names if (data_root / name).is_dir()]

    def first_existing(self, data_root: Path) -> ImageFolder | None:
        """The first candidate that exists."""
        return next((place for place in self.candidates if (data_root / place.path).is_dir()), None)

    def find_images(self, data_root: Path, keys: Sequence[str]) -> tuple[ImageFiles, str] | None:
        """The source of these images and the layout it was found in; None where some image is in no place.

        A candidate that holds every image wins. Otherwise the dataset's folders are searched for files of the same
        name; where one name stands for several keys, a folder above the file must bear the name of the key's folder.
        """
        for place in self.candidates:
            images = ImageFiles(data_root / place.path)
            if images.root.is_dir() and not images.missing(keys):
                return images, place.layout
        for top in self.dataset_folders(data_root):
            found = _by_file_name(top, keys, self.folder_aliases)
            if found is not None:
                return ImageFiles(top, found), f"files of these names below {top.name}/"
        return None


def _by_file_name(top: Path, keys: Sequence[str], folder_aliases: Mapping[str, Sequence[str]]) -> dict[str, str] | None:
    """Where below `top` each key lies, or None unless every one is found exactly once."""
    wanted: defaultdict[str, list[PurePosixPath]] = defaultdict(list)
    for key in keys:
        path = PurePosixPath(key)
        wanted[path.name].append(path)
    files: defaultdict[str, list[PurePosixPath]] = defaultdict(list)
    for folder, _, names in os.walk(top):  # links are not followed, so a loop of them ends
        below = PurePosixPath(Path(folder).relative_to(top).as_posix())
        for name in names:
            if name in wanted:
                files[name].append(below / name)
    if set(files) != set(wanted):
        return None
    found: dict[str, str] = {}
    for name, paths in wanted.items():
        for path in paths:
            candidates = files[name]
            if len(paths) > 1 or len(candidates) > 1:
                parent = path.parent.name
                candidates = _inside(files[name], [parent]) or _inside(files[name], folder_aliases.get(parent, ()))
            if len(candidates) != 1:
                return None
            found[str(path)] = str(candidates[0])
    return found


def _inside(files: Sequence[PurePosixPath], folders: Sequence[str]) -> list[PurePosixPath]:
    return [file for file in files if set(folders) & set(file.parts[:-1])]


def image_names(folder: Path) -> list[str]:
    """Image files of a folder, sorted by name; other files, such as a README, are passed over."""
    return sorted(
        entry.name
        for entry in os.scandir(folder)
        if Path(entry.name).suffix.lower() in IMAGE_SUFFIXES and not entry.name.startswith(".")
    )


def class_folders(folder: Path) -> list[str]:
    """Folders of a folder, sorted by name."""
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))


def require_root(dataset: str, data_root: Path | None, layouts: Iterable[str]) -> Path:
    """The data folder; raises DataError where none was given, naming what it must hold."""
    if data_root is None:
        raise DataError(
            f"Dataset {dataset!r} lies on disk, but no data folder was given. "
            f"Pass --data-root FOLDER or set ETL_BENCH_DATA; the folder must hold {' or '.join(layouts)}."
        )
    return data_root


def packaged_names(dataset: str) -> tuple[str, ...]:
    """The class names of `data/<dataset>.txt`, in label order."""
    path = resources.files("datasets_registry") / "data" / f"{dataset}.txt"
    return tuple(path.read_text(encoding="utf-8").splitlines())
