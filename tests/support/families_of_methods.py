"""Parameters for tests of every method: those of one method of each family are fast, the others are marked `slow`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from methods import METHODS, get_method

FIRST_OF_FAMILY = {METHODS.get(name).info.family: name for name in reversed(list(METHODS))}
"""The first method of each family by name."""


def one_of_each_family(names: Iterable[str]) -> Iterator[object]:
    """The names as parameters. The first of each family among them is fast; it covers the lines that all share."""
    seen = set()
    for name in names:
        family = get_method(name).info.family
        yield pytest.param(name, id=name, marks=[pytest.mark.slow] if family in seen else [])
        seen.add(family)
