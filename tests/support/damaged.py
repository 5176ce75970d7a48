"""Damage to valid files for tests with hypothesis: bytes, and values of JSON documents."""

from __future__ import annotations

import copy
from typing import Any

import hypothesis.strategies as st

ODD: list[Any] = [
    None, True, False, 0, -1, 1e308, float("nan"), float("inf"), 10**30, "", "a\x1b[2J", "../../x", "\ud800", "=1",
    [], {}, [[]], {"a": 1}, [None],
]  # fmt: skip


@st.composite
def damaged_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    """The content with one to three flipped, cut, inserted, repeated or removed stretches."""
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(content)))
        n = draw(st.integers(1, 64))
        what = draw(st.sampled_from(["flip", "cut", "insert", "repeat", "remove"]))
        if what == "flip" and at < len(content):
            content = content[:at] + bytes([content[at] ^ draw(st.integers(1, 255))]) + content[at + 1 :]
        elif what == "cut":
            content = content[:at]
        elif what == "insert":
            content = content[:at] + draw(st.binary(min_size=1, max_size=8)) + content[at:]
        elif what == "repeat":
            content = content[:at] + content[max(at - n, 0) :]
        else:
            content = content[:at] + content[at + n :]
    return content


@st.composite
def damaged_value(draw: st.DrawFn, value: Any) -> Any:
    """The JSON value with one to three entries that are removed or of another type."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        here = value
        while isinstance(here, dict | list) and here:
            key = draw(st.sampled_from(list(here) if isinstance(here, dict) else list(range(len(here)))))
            inner = here[key]
            if isinstance(inner, dict | list) and inner and draw(st.integers(0, 3)):
                here = inner
                continue
            if draw(st.booleans()):
                del here[key]
            else:
                here[key] = copy.deepcopy(draw(st.sampled_from(ODD)))
            break
    return value
