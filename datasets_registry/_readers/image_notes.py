"""What was left out of some images, and what of an image is not read: the same lines for every command."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import overload

from datasets_registry._errors import some
from datasets_registry._readers.dataset_files import describe_left_out, left_out_advice
from datasets_registry._readers.decode import ImageFacts

_MOST_NAMED = 3


class CountedNames(Sequence[str]):
    """Names of which only the first are kept; `len` counts all."""

    def __init__(self) -> None:
        self._first: list[str] = []
        self._number = 0

    def add(self, name: str) -> None:
        """Count a name."""
        self._number += 1
        if len(self._first) < _MOST_NAMED:
            self._first.append(name)

    def __len__(self) -> int:
        return self._number

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[str]: ...
    def __getitem__(self, at: int | slice) -> str | Sequence[str]:
        return self._first[at]


class ImageNotes:
    """Counts what is left out of images that are read one after the other, with the first names of each kind."""

    def __init__(self) -> None:
        self._left_out: defaultdict[str, CountedNames] = defaultdict(CountedNames)
        self._read: defaultdict[str, CountedNames] = defaultdict(CountedNames)
        self._unnamed = CountedNames()

    def leave_out(self, kind: str, name: str) -> None:
        """Count a file that is not read; `kind` is a plural such as `.txt files`."""
        self._left_out[kind].add(name)

    def leave_out_unnamed(self, name: str) -> None:
        """Count a file that is an image, although its name does not say so."""
        self._unnamed.add(name)

    def add(self, name: str, facts: ImageFacts) -> None:
        """Count what of an image is not read."""
        if facts.more_frames:
            self._read["further frames or pages, and only the first is read"].add(name)
        if facts.more_bands:
            self._read["bands beyond red, green and blue, which are not read"].add(name)
        if facts.remarks:
            self._read["damaged metadata"].add(f"{name} ({facts.remarks[0]})")

    def lines(self, *, in_class_folders: bool = False) -> Iterator[str]:
        """One line per kind of problem; none if everything is read."""
        if self._left_out:
            advice = left_out_advice(self._left_out, in_class_folders=in_class_folders)
            yield f"note: left out: {describe_left_out(self._left_out)}. {advice}"
        if self._unnamed:
            are = "image is" if len(self._unnamed) == 1 else "images are"
            yield (
                f"note: {len(self._unnamed)} {are} left out because of a missing image suffix: "
                f"{some(self._unnamed, _MOST_NAMED)}."
            )
        for what, names in self._read.items():
            have = "image has" if len(names) == 1 else "images have"
            yield f"note: {len(names)} {have} {what}: {some(names, _MOST_NAMED)}."
