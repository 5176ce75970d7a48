"""How long tests wait for what must happen: until it happens. Only a process that never answers reaches the limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE = 240.0
"""Seconds, below pytest's limit of 300. A busy machine may need many more than an idle one."""
T = TypeVar("T")


def wait_until(condition: Callable[[], T], what: str = "", *, look: float = 0.01) -> T:
    """Evaluate a condition until it is true. Returns its value.

    Args:
        what: what did not happen, for the error.
        look: seconds between two evaluations.

    Raises:
        AssertionError: after `PATIENCE`.
    """
    end = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < end, f"Not within {PATIENCE:.0f} s: {what or condition}"
        time.sleep(look)
    return value
