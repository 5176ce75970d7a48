"""Examples in the docstrings of statistics and metrics."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import bench.metrics
import bench.statistics

MODULES = [
    name
    for room in (bench.statistics, bench.metrics)
    for name in (room.__name__, *(found.name for found in pkgutil.iter_modules(room.__path__, f"{room.__name__}.")))
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_hold(name: str):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
