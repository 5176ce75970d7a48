"""Custom datasets in folders: `CLASS/picture.jpg`, or `train|val|test/CLASS/picture.jpg`."""

import os
from collections.abc import Iterator
from pathlib import Path

from datasets_registry._custom.listing import PART_NAMES, FoundImage, Listing, check_unicode, natural_sort_key
from datasets_registry._errors import DataError
from datasets_registry._readers.files import ImageFiles
from datasets_registry._readers.layouts import IMAGE_SUFFIXES


def list_folder(root: Path, *, given_split: bool) -> Listing:
    """All images below the class folders of `root`; with a given split, these are inside one folder per part.

    Class folders may have subfolders. Hidden entries and files without an image suffix are ignored. Raises DataError if
    the folder is missing or unreadable, a link leads to one of its parent folders, a name is not UTF-8, or there is no
    image.
    """
    if not root.is_dir():
        raise DataError(f"No folder {root}. Give the folder that holds one folder of images per class.")
    found: list[FoundImage] = []
    for name in _folders(root):
        part = PART_NAMES.get(name.lower())
        if not given_split:
            found += [FoundImage(f"{name}/{rest}", name) for rest in _images(root / name)]
        elif part is not None:
            for label in _folders(root / name):
                found += [FoundImage(f"{name}/{label}/{rest}", label, part) for rest in _images(root / name / label)]
    if not found:
        layout = "train/CLASS/*.jpg, test/CLASS/*.jpg" if given_split else "CLASS/*.jpg"
        raise DataError(
            f"No image below {root}. It must hold {layout}; image suffixes are {', '.join(sorted(IMAGE_SUFFIXES))}."
        )
    return Listing(ImageFiles(root), tuple(found))


def is_split_into_parts(root: Path) -> bool:
    """Whether the top folders are train, val or test instead of classes.

    Raises DataError if there is only one such folder, which could be either.
    """
    names = _folders(root)
    parts = {PART_NAMES.get(name.lower()) for name in names}
    if not names or None in parts:
        return False
    if len(parts) == 1:
        raise DataError(
            f"{root} holds only the folder {names[0]!r}. Give {root / names[0]} to have it split by content, or put "
            f"a second part (train, val or test) beside it."
        )
    return True


def _folders(root: Path) -> list[str]:
    return [check_unicode(entry.name, f"Folder {root}") for entry in _entries(root) if _is_dir(entry)]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """The entries of a folder that are not hidden, in natural order."""
    try:
        with os.scandir(folder) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"Folder {folder} cannot be read ({error}). Check its permissions.") from error
    return sorted(visible, key=lambda entry: natural_sort_key(entry.name))


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:
        raise DataError(f"{entry.path} cannot be read ({error}). Remove it if it is a broken link.") from error


def _images(folder: Path, prefix: str = "", parents: frozenset[tuple[int, int]] = frozenset()) -> Iterator[str]:
    """Paths below one class folder, sorted. Links are followed; a circular link raises DataError."""
    stat = folder.stat()
    identity = (stat.st_dev, stat.st_ino)
    if identity in parents:
        raise DataError(f"The link {folder} leads to a folder that contains it. Remove that link.")
    for entry in _entries(folder):
        if _is_dir(entry):
            yield from _images(folder / entry.name, f"{prefix}{entry.name}/", parents | {identity})
        elif Path(entry.name).suffix.lower() in IMAGE_SUFFIXES:
            yield prefix + check_unicode(entry.name, f"Folder {folder}")
