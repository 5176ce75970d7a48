"""A method is checked from Python as by the command."""

from __future__ import annotations

import pytest

from bench.extensions.conformance import CHECKS, check_method
from datasets_registry import UnknownNameError


def test_every_check_is_a_row():
    found = check_method("zero_shot")
    assert list(found["check"]) == list(CHECKS)
    assert set(found["outcome"]) == {"pass", "skip"}
    assert list(found.columns) == ["check", "outcome", "promise", "message", "remedy"]
    assert set(found["remedy"]) == {""}


def test_an_unknown_method_is_refused():
    with pytest.raises(UnknownNameError, match="Did you mean 'coop'"):
        check_method("copo")
