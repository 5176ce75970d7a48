"""The examples in the docstrings of the page's public functions run."""

import doctest

from reports import render


def test_the_examples_run():
    outcome = doctest.testmod(render)
    assert outcome.attempted > 0
    assert outcome.failed == 0
