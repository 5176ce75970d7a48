"""Parameters for tests of every method: those of one method of each family are fast, the others are marked `slow`."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from methods import METHODS, get_method

WITHOUT_TEACHER = [name for name in METHODS if not METHODS.get(name).info.needs_teacher]
"""Methods that run without the file of a teacher. `tests/bench/experiment/test_teacher.py` runs the others."""


def some_fast(names: Sequence[str], fast: set[str]) -> list[object]:
    """The names as parameters. Those outside `fast` are marked slow."""
    return [pytest.param(name, id=name, marks=[] if name in fast else [pytest.mark.slow]) for name in names]


def one_of_each_family(names: Sequence[str]) -> list[object]:
    """The names as parameters. The first of each family among them is fast; it covers the lines that all share."""
    return some_fast(names, first_of_each_family(names))


def cheap_of_each_family(names: Sequence[str]) -> set[str]:
    """The first name of each family; if there is one, of those that run no image through a tower in each step."""
    return first_of_each_family(sorted(names, key=reads_images))


def first_of_each_family(names: Sequence[str]) -> set[str]:
    """The first name of each family."""
    first: dict[object, str] = {}
    for name in names:
        first.setdefault(get_method(name).info.family, name)
    return set(first.values())


def reads_images(name: str) -> bool:
    """Whether a method runs a tower for each image or each view."""
    return bool({"pixels", "hidden", "pooled", "test_views"} & get_method(name).info.needs)
