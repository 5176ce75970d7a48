"""Types of stored values: what their checks leave out, and how settings are counted."""

import sys

import pytest
from pydantic import TypeAdapter, ValidationError

from bench.bounds import CONTROL, MOST_SETTINGS, Settings


def test_no_printable_character_is_a_control_character() -> None:
    printable = "".join(filter(str.isprintable, map(chr, range(sys.maxunicode + 1))))
    assert "é" in printable
    assert CONTROL.search(printable) is None


def test_settings_inside_settings_count() -> None:
    most = {"a": {"b": [0] * (MOST_SETTINGS - 2)}}
    assert TypeAdapter(Settings).validate_python(most) == most
    with pytest.raises(ValidationError, match=str(MOST_SETTINGS + 1)):
        TypeAdapter(Settings).validate_python(most | {"c": 1})
