"""Examples in the docstrings of statistics and metrics."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

from one_case import for_each

import bench.analysis.metrics
import bench.analysis.statistics

MODULES = [
    name
    for package in (bench.analysis.statistics, bench.analysis.metrics)
    for name in (
        package.__name__,
        *(found.name for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")),
    )
]


@for_each("name", MODULES)
def test_examples_hold(name: str):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
