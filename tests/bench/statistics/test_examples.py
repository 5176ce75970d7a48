"""The examples in the docstrings."""

import doctest

import pytest

from bench.statistics import correlation, families, intervals, paired, ranks, ratings


@pytest.mark.parametrize("module", [correlation, families, intervals, paired, ranks, ratings])
def test_the_examples_in_the_docs_run(module):
    assert doctest.testmod(module).failed == 0
