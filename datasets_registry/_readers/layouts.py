"""Finds a dataset's images in the usual folders, or by file name in all other layouts.

Keys are those of the split file in every layout, so draws, fingerprints and cached features are equal for CoOp's and
torchvision's folders.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path, PurePosixPath

from datasets_registry._errors import DataError, MissingDataError
from datasets_registry._readers.files import ImageFiles
from datasets_registry._readers.image_suffixes import image_suffixes
from datasets_registry._types import Sample


@dataclass(frozen=True)
class ImageFolders:
    """The folders that may hold one dataset's images.

    Args:
        candidates: folders relative to the data folder, with the names of their layouts; CoOp's folder first.
        folder_aliases: other names of a folder that keys begin with (`cars_train` -> `train`), for the search by file
            name.
    """

    dataset: str
    candidates: Mapping[str, str]
    folder_aliases: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def dataset_folders(self, data_root: Path) -> list[Path]:
        """The dataset's existing folders: the first parts of the candidates."""
        names = dict.fromkeys(PurePosixPath(path).parts[0] for path in self.candidates)
        return [data_root / name for name in names if (data_root / name).is_dir()]

    def first_existing(self, data_root: Path) -> str | None:
        """The first candidate that exists."""
        return next((path for path in self.candidates if (data_root / path).is_dir()), None)

    def find_images(self, data_root: Path, keys: Sequence[str]) -> tuple[ImageFiles, str] | None:
        """The source of these images and the name of their layout; None if some image is not found.

        A candidate folder with all images is used. Otherwise the dataset's folders are searched by file name; if
        several keys have the same file name, the key's folder must be among the folders of the file's path.
        """
        for path, layout in self.candidates.items():
            images = ImageFiles(data_root / path)
            if images.root.is_dir() and not images.missing(keys):
                return images, layout
        for top in self.dataset_folders(data_root):
            if (found := _by_file_name(top, keys, self.folder_aliases)) is not None:
                return ImageFiles(top, found), f"files of these names below {top.name}/"
        return None


def _by_file_name(top: Path, keys: Sequence[str], folder_aliases: Mapping[str, Sequence[str]]) -> dict[str, str] | None:
    """The path below `top` of each key, or None unless every key is found exactly once."""
    wanted: defaultdict[str, list[PurePosixPath]] = defaultdict(list)
    for key in keys:
        path = PurePosixPath(key)
        wanted[path.name].append(path)
    files: defaultdict[str, list[PurePosixPath]] = defaultdict(list)
    for folder, _, names in os.walk(top):  # does not follow links, so circular links are harmless
        below = PurePosixPath(Path(folder).relative_to(top).as_posix())
        for name in names:
            if name in wanted:
                files[name].append(below / name)
    if set(files) != set(wanted):
        return None
    found: dict[str, str] = {}
    for name, paths in wanted.items():
        for path in paths:
            matches = files[name]
            if len(paths) > 1 or len(matches) > 1:
                parent = path.parent.name
                matches = _inside(files[name], [parent]) or _inside(files[name], folder_aliases.get(parent, ()))
            if len(matches) != 1:
                return None
            found[str(path)] = str(matches[0])
    return found


def _inside(files: Sequence[PurePosixPath], folders: Sequence[str]) -> list[PurePosixPath]:
    return [file for file in files if set(folders) & set(file.parts[:-1])]


def image_names(folder: Path) -> tuple[list[str], list[str]]:
    """The images of a folder, and its other files; both sorted by name, without hidden files."""
    suffixes = image_suffixes()
    images: list[str] = []
    others: list[str] = []
    for entry in os.scandir(folder):
        if not entry.name.startswith("."):
            if Path(entry.name).suffix.lower() in suffixes:
                images.append(entry.name)
            elif entry.is_file():
                others.append(entry.name)
    return sorted(images), sorted(others)


def class_folders(folder: Path) -> list[str]:
    """The subfolders of a folder, sorted by name."""
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))


def require_root(dataset: str, data_root: Path | None, layouts: Iterable[str]) -> Path:
    """The data folder; raises MissingDataError, listing its expected contents, if none was given."""
    if data_root is None:
        raise MissingDataError(
            f"Dataset {dataset!r} is read from disk, but no data folder was given. "
            f"Pass --data-root FOLDER or set ETL_BENCH_DATA; the folder must contain {' or '.join(layouts)}."
        )
    return data_root


def require_images(image_folders: ImageFolders, data_root: Path | None, advice: str = "") -> tuple[Path, Path, str]:
    """The data folder, the first candidate in it that exists, and the name of its layout.

    Raises MissingDataError, listing the candidates and ending with `advice`, if there is no data folder or none of
    them exists.
    """
    root = require_root(image_folders.dataset, data_root, image_folders.candidates)
    if (path := image_folders.first_existing(root)) is None:
        where = " or ".join(image_folders.candidates)
        raise MissingDataError(f"No images of {image_folders.dataset!r} below {root}: it must contain {where}.{advice}")
    return root, root / path, image_folders.candidates[path]


def listed_images(dataset: str, folder: Path, samples: Iterable[Sample], archive: str) -> ImageFiles:
    """The images below a folder. Raises DataError, naming the archive to unpack again, if one of the samples is not."""
    images = ImageFiles(folder)
    keys = [sample.key for sample in samples]
    if absent := images.missing(keys):
        raise DataError(
            f"{len(absent)} of the {len(keys)} listed images of dataset {dataset!r} are not below {folder}, for "
            f"example {absent[0]}. Unpack {archive} again."
        )
    return images


def packaged_names(dataset: str) -> tuple[str, ...]:
    """The class names of `data/<dataset>.txt`, in label order."""
    path = resources.files("datasets_registry") / "data" / f"{dataset}.txt"
    return tuple(path.read_text(encoding="utf-8").splitlines())
