"""Lists the images of a custom dataset in class folders: `CLASS/image.jpg`, or `train|val|test/CLASS/image.jpg`.

`Listing` is the result of every way to list images.
"""

import hashlib
import os
import re
import unicodedata
from collections.abc import Container, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from datasets_registry._errors import DataError, some
from datasets_registry._readers.dataset_files import (
    MISNAMED,
    LeftOut,
    describe_left_out,
    group_by_suffix,
    left_out_advice,
)
from datasets_registry._readers.decode import OWN_IMAGES
from datasets_registry._readers.image_formats import image_suffixes
from datasets_registry._readers.image_sources import EncodedImages, ImageFiles

SKIPPED = "images that `skip` lists"
"""Kind of the left-out files that are listed in the dataset's TOML file."""
PART_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""Common names of the three parts of a split, in lower case."""


@dataclass(frozen=True, slots=True)
class FoundImage:
    """One image: its key, its class label, its part (train, val, test) if the source gives a split, and its group.

    Labels are composed Unicode (NFC), so that folders whose names look equal are one class on every system.
    """

    key: str
    label: str
    part: str | None = None
    group: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", unicodedata.normalize("NFC", self.label))


@dataclass(frozen=True)
class Listing:
    """All images of a source in a fixed order, the source of their pixels, and the unused files."""

    images: ImageFiles | EncodedImages
    found: tuple[FoundImage, ...]
    left_out: LeftOut = field(default_factory=dict)

    def without(self, keys: Container[str]) -> Self:
        """The listing without these images, which are recorded as left out."""
        skipped = tuple(item.key for item in self.found if item.key in keys)
        if not skipped:
            return self
        images = tuple(item for item in self.found if item.key not in keys)
        return replace(self, found=images, left_out={**self.left_out, SKIPPED: skipped})

    def unit(self, item: FoundImage) -> str:
        """Hex SHA-256 of what stays together in a split: the group of an image, or its content if it has none."""
        if item.group is None:
            return self.images.digest(item.key)
        return hashlib.sha256(f"group {item.group}".encode()).hexdigest()

    @property
    def labels(self) -> list[str]:
        """The labels in natural order: numbers come first, sorted by value."""
        return sorted({item.label for item in self.found}, key=natural_sort_key)


def natural_sort_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key that compares digits by value, so that class 10 follows class 9."""
    return tuple((0, int(part), part) if part.isdecimal() else (1, 0, part) for part in re.findall(r"\d+|\D+", text))


def parse_part(text: str, where: str) -> str:
    """The part that a folder or column value names. Raises DataError, naming `where`, for any other text."""
    try:
        return PART_NAMES[text.strip().lower()]
    except KeyError:
        raise DataError(
            f'{where} has the split {text!r}; allowed: {", ".join(PART_NAMES)}. Rename it, or set split = "hash".'
        ) from None


def check_unicode(text: str, where: str) -> str:
    """The text itself. Raises DataError for a file name that is not UTF-8 (Python marks such bytes by surrogates)."""
    if not _is_unicode(text):
        raise DataError(
            f"{where} contains the name {text.encode(errors='surrogateescape')!r}, which is not UTF-8. "
            f"Rename it, for example with `convmv -f latin1 -t utf8 -r --notest`."
        )
    return text


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable_name(text: str) -> str:
    """A file name for messages, with escapes for bytes that are not UTF-8."""
    return text.encode(errors="backslashreplace").decode()


WINDOWS_FILES = ("Thumbs.db", "desktop.ini")
"""Files that Windows Explorer writes; it hides them by an attribute instead of their name."""


def list_folder(root: Path, *, given_split: bool) -> Listing:
    """All images below the class folders of `root`; with a given split, each part has its own folder of class folders.

    Class folders may have subfolders. Hidden entries and files of Windows Explorer are ignored; other unused files are
    listed in `left_out`, and so are images whose names are not UTF-8. Raises DataError if the folder is missing or
    unreadable, a link leads to one of its parent folders, the name of a class is not UTF-8, or there is no image.
    """
    if not root.is_dir():
        raise DataError(f"No folder {root}. Give the folder that contains one folder of images per class.")
    suffixes = image_suffixes()
    listed: list[FoundImage] = []
    other_files: list[str] = []
    empty: list[str] = []
    misnamed: list[str] = []
    left_out: dict[str, tuple[str, ...]] = {"files outside class folders": tuple(_loose_files(root))}

    def add(folder: str, label: str, part: str | None = None) -> None:
        before = len(listed)
        for rest in _files(root / folder):
            key = f"{folder}/{rest}"
            if not _is_unicode(key):
                misnamed.append(printable_name(key))
            elif Path(key).suffix.lower() in suffixes:
                listed.append(FoundImage(key, label, part))
            else:
                other_files.append(printable_name(key))
        if len(listed) == before:
            empty.append(folder)

    if given_split:
        by_name = {name: PART_NAMES.get(name.lower()) for name in _folders(root)}
        if by_name and not any(by_name.values()):
            names = some([repr(name) for name in by_name])
            raise DataError(
                f"{root} has no folder train, val or test, so it gives no split; it has {names}."
                f' Leave --split out, or use hash or even (split = "hash" in the dataset\'s file).'
            )
        for name, part in by_name.items():
            if part is not None:
                left_out["files outside class folders"] += tuple(f"{name}/{file}" for file in _loose_files(root / name))
                for label in _folders(root / name):
                    add(f"{name}/{label}", label, part)
        left_out["folders other than train, val and test"] = tuple(name for name, part in by_name.items() if not part)
    else:
        for name in _folders(root):
            add(name, name)
    left_out["class folders without an image"] = tuple(empty)
    left_out[MISNAMED] = tuple(misnamed)
    left_out = {kind: paths for kind, paths in left_out.items() if paths} | dict(group_by_suffix(other_files))
    if not listed:
        layout = "train/CLASS/*.jpg, test/CLASS/*.jpg" if given_split else "CLASS/*.jpg"
        beside = f" Found, but not used: {describe_left_out(left_out)}. {left_out_advice(left_out)}" if left_out else ""
        raise DataError(
            f"No image below {root}. It must contain {layout}; image suffixes are "
            f"{', '.join(sorted(suffixes))}.{beside}"
        )
    return Listing(ImageFiles(root, decoding=OWN_IMAGES), tuple(listed), left_out)


def is_split_into_parts(root: Path) -> bool:
    """Whether the top folders are train, val or test instead of classes.

    Raises DataError if there is only one such folder, which could be a part or a class.
    """
    names = _folders(root)
    parts = {PART_NAMES.get(name.lower()) for name in names}
    if not names or None in parts:
        return False
    if len(parts) == 1:
        raise DataError(
            f"{root} contains only the folder {names[0]!r}. Give {root / names[0]} to have it split by content, or put "
            f"a second part (train, val or test) beside it."
        )
    return True


def _folders(root: Path) -> list[str]:
    return [check_unicode(entry.name, f"Folder {root}") for entry in _entries(root) if _is_dir(entry)]


def _loose_files(folder: Path) -> list[str]:
    return [printable_name(entry.name) for entry in _entries(folder) if not _is_dir(entry)]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """The entries of a folder that are not hidden, nor of Windows itself, in natural order."""
    try:
        with os.scandir(folder) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(".") and entry.name not in WINDOWS_FILES]
    except OSError as error:
        raise DataError(f"Folder {folder} cannot be read ({error}). Check its permissions.") from error
    return sorted(visible, key=lambda entry: natural_sort_key(entry.name))


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself; it is reported as a broken file when it is read as an image
        return False


def _files(folder: Path, prefix: str = "", parents: frozenset[tuple[int, int]] = frozenset()) -> Iterator[str]:
    """Paths below one class folder, sorted. Links are followed; a circular link raises DataError."""
    stat = folder.stat()
    identity = (stat.st_dev, stat.st_ino)
    if identity in parents:
        raise DataError(f"The link {folder} leads to a folder that contains it. Remove that link.")
    for entry in _entries(folder):
        if _is_dir(entry):
            yield from _files(folder / entry.name, f"{prefix}{entry.name}/", parents | {identity})
        else:
            yield prefix + entry.name
