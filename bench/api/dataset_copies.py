"""Images that are in two datasets, by their bytes or decoded pixels: averages count datasets as independent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from bench._util.words import counted
from datasets_registry import CheckResult, Finding, FindingLevel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from datasets_registry import ImageContents

NAMED = 3
"""Pairs of files that a finding names."""


def with_copies(checks: Iterable[CheckResult]) -> Iterator[CheckResult]:
    """Checks of several datasets, each with a note for every earlier dataset that shares images with it.

    Only digests are kept, 32 bytes for each image, and its key.
    """
    earlier: list[ImageContents] = []
    for checked in checks:
        found, names = checked, tuple(one.name for one in earlier)
        if (here := checked.contents) is not None:
            notes = tuple(note for other in earlier if (note := copies_note(other, here)) is not None)
            found = replace(checked, findings=(*checked.findings, *notes), contents=None, compared_with=names)
            earlier.append(here)
        yield found


def copies_note(a: ImageContents, b: ImageContents) -> Finding | None:
    """A note on the images that two datasets share, with the first pairs of files; None if they share none."""
    import numpy as np

    rows = np.flatnonzero(_shared(b, a))
    if not len(rows):
        return None
    ways = (("test", "train"), ("train", "test"))
    leaked = [(b.parts == mine) & _shared(b, a, among=a.parts == other) for mine, other in ways]
    first = rows[np.argsort(~(leaked[0] | leaked[1])[rows], kind="stable")][:NAMED]
    examples = "; ".join(_example(a, b, int(row)) for row in first)
    across = [
        f"{counted(n, f'{mine} image')} of {b.name} {'is' if n == 1 else 'are'} in {other} of {a.name}"
        for (mine, other), one in zip(ways, leaked, strict=True)
        if (n := int(one.sum()))
    ]
    text = (
        f"{counted(len(rows), 'image')} of {b.name} {'is' if len(rows) == 1 else 'are'} also in {a.name} "
        f"({int(_shared(a, b).sum())} there), with the same bytes or pixels"
        f"{', of them ' + ' and '.join(across) if across else ''}. First: {examples}."
    )
    return Finding("copies", text, level=FindingLevel.NOTE)


def _shared(one: ImageContents, other: ImageContents, among: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    """Which images of `one` are in `other`, or among these of it, `(n,)`."""
    import numpy as np

    chosen = slice(None) if among is None else among
    found: NDArray[np.bool_] = np.isin(one.files, other.files[chosen]) | np.isin(one.pixels, other.pixels[chosen])
    return found


def _example(a: ImageContents, b: ImageContents, row: int) -> str:
    """An image of `b` and its copy in `a`, in another part if there is one there."""
    import numpy as np

    copies = np.flatnonzero((a.files == b.files[row]) | (a.pixels == b.pixels[row]))
    copy = int(min(copies, key=lambda one: a.parts[one] == b.parts[row]))
    return f"{_named(b, row)} and {_named(a, copy)}"


def _named(one: ImageContents, row: int) -> str:
    return f"{one.key(row)} ({one.name}, {one.parts[row]})"
