"""The images of a custom dataset before labels become numbers: keys, class labels and, if given, parts."""

import re
from collections import Counter
from collections.abc import Container, Iterable
from dataclasses import dataclass, field, replace
from typing import Self

from datasets_registry._errors import DataError
from datasets_registry._readers.files import EncodedImages, ImageFiles
from datasets_registry._readers.image_suffixes import LeftOut

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
    """One image: its key, its class label, and its part (train, val, test) if the source gives a split."""

    key: str
    label: str
    part: str | None = None


@dataclass(frozen=True)
class Listing:
    """All images of a source in a fixed order, the source of their pixels, and the unused files."""

    images: ImageFiles | EncodedImages
    found: tuple[FoundImage, ...]
    left_out: LeftOut = field(default_factory=dict)

    def without(self, keys: Container[str]) -> Self:
        """The listing without these images, which are recorded as left out."""
        left = tuple(item.key for item in self.found if item.key in keys)
        if not left:
            return self
        found = tuple(item for item in self.found if item.key not in keys)
        return replace(self, found=found, left_out={**self.left_out, SKIPPED: left})

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
    try:
        text.encode()
    except UnicodeEncodeError:
        raise DataError(
            f"{where} contains the name {text.encode(errors='surrogateescape')!r}, which is not UTF-8. "
            f"Rename it, for example with `convmv -f latin1 -t utf8 -r --notest`."
        ) from None
    return text


def printable(text: str) -> str:
    """A file name for messages, with escapes for bytes that are not UTF-8."""
    return text.encode(errors="backslashreplace").decode()


def check_distinct(keys: Iterable[str], where: str) -> None:
    """Raises DataError if a key occurs twice."""
    if repeated := [key for key, count in Counter(keys).items() if count > 1]:
        raise DataError(f"{where} lists the image {repeated[0]!r} twice. Remove one of the two entries.")
