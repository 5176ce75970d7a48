"""Own images in a tree of folders: `CLASS/picture.jpg`, or `train|val|test/CLASS/picture.jpg`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from datasets_registry._custom.listing import (
    IMAGE_SUFFIXES,
    PARTS,
    FoundImage,
    Listing,
    check_unicode,
    natural_sort_key,
)
from datasets_registry._errors import DataError
from datasets_registry._readers.files import ImageFiles


def list_folder(root: Path, *, given_split: bool) -> Listing:
    """All images below the class folders of `root`.

    Args:
        root: holds one folder per class or, with a given split, one folder per part with the classes in it. A class
            folder may have folders of its own. Hidden files and folders, and files that are no images by their
            suffix, are passed over.
        given_split: whether the folders at the top are parts.

    Raises:
        DataError: the folder is missing or cannot be read, a link leads back into its own folder, a name is not
            UTF-8, or no image is found.
    """
    if not root.is_dir():
        raise DataError(f"No folder {root}. Give the folder that holds one folder of images per class.")
    found: list[FoundImage] = []
    for name in _folders(root):
        if given_split:
            part = PARTS.get(name.lower())
            if part is None:
                continue
            for label in _folders(root / name):
                found += [FoundImage(f"{name}/{label}/{rest}", label, part) for rest in _images(root / name / label)]
        else:
            found += [FoundImage(f"{name}/{rest}", name) for rest in _images(root / name)]
    if not found:
        layout = "train/CLASS/*.jpg, test/CLASS/*.jpg" if given_split else "CLASS/*.jpg"
        raise DataError(
            f"No image below {root}. It must hold {layout}; suffixes read: {', '.join(sorted(IMAGE_SUFFIXES))}."
        )
    return Listing(ImageFiles(root), tuple(found))


def is_split_into_parts(root: Path) -> bool:
    """Whether the folders at the top are train, val or test rather than classes.

    Raises DataError where there is only one of them, which could be either.
    """
    names = _folders(root)
    parts = {PARTS.get(name.lower()) for name in names}
    if not names or None in parts:
        return False
    if len(parts) == 1:
        raise DataError(
            f"{root} holds only the folder {names[0]!r}. Give {root / names[0]} to have it split by content, or put "
            f"a second part (train, val or test) beside it."
        )
    return True


def _folders(root: Path) -> list[str]:
    try:
        with os.scandir(root) as entries:
            names = [entry.name for entry in entries if not entry.name.startswith(".") and _is_dir(entry)]
    except OSError as error:
        raise DataError(f"Folder {root} cannot be read ({error}). Check its permissions.") from error
    return sorted((check_unicode(name, f"Folder {root}") for name in names), key=natural_sort_key)


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:
        raise DataError(
            f"{entry.path} cannot be read ({error}). Remove it if it is a link that leads nowhere."
        ) from error


def _images(root: Path) -> Iterator[str]:
    """Paths below one class folder, sorted; links are followed, but not in circles."""

    def walk(folder: Path, prefix: str, above: frozenset[tuple[int, int]]) -> Iterator[str]:
        stat = folder.stat()
        here = (stat.st_dev, stat.st_ino)
        if here in above:
            raise DataError(f"The link {folder} leads back to a folder that holds it. Remove that link.")
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: natural_sort_key(entry.name))
        except OSError as error:
            raise DataError(f"Folder {folder} cannot be read ({error}). Check its permissions.") from error
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if _is_dir(entry):
                yield from walk(folder / entry.name, f"{prefix}{entry.name}/", above | {here})
            elif Path(entry.name).suffix.lower() in IMAGE_SUFFIXES:
                yield prefix + check_unicode(entry.name, f"Folder {folder}")

    return walk(root, "", frozenset())
