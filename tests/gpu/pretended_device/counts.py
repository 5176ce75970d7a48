"""Counts the work that a GPU would do: operations, waits and transfers, each by the line that caused it."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import FrameType

BACKWARD = "backward pass"
"""The place of work in autograd's threads, which run no Python code."""
_OWN = str(Path(__file__).parent)
_SKIPPED = ("torch", "threading", "contextlib", "functools", "concurrent", "abc")


@dataclass
class Counts:
    """Counters by place (`methods/coop.py:98`) since the last `clear`.

    Args:
        operations: operations that would start a kernel; views are not counted.
        by_name: the same operations by torch's name.
        waits: the processor waits for the device: `.item()`, copies to the host, masks as indices, `synchronize`.
        pageable: copies of host memory to the device that is not pinned, which stop both.
        pinned: copies of pinned memory that the device makes while it computes.
        unseeded: random operations that draw from the device's own generator.
        casts: tensors of `frozen` memory that are rounded to half precision.
        frozen: addresses of the memory of weights that never change; `clear` leaves them.
    """

    operations: Counter[str] = field(default_factory=Counter)
    by_name: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)
    pageable: Counter[str] = field(default_factory=Counter)
    pinned: Counter[str] = field(default_factory=Counter)
    unseeded: Counter[str] = field(default_factory=Counter)
    casts: Counter[str] = field(default_factory=Counter)
    frozen: frozenset[int] = frozenset()
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, counter: Counter[str], key: str) -> None:
        """Count one event; threads of the prefetch and of autograd count too."""
        with self._lock:
            counter[key] += 1

    def clear(self) -> None:
        """Reset all counters to zero."""
        with self._lock:
            for counter in (
                self.operations, self.by_name, self.waits, self.pageable, self.pinned, self.unseeded, self.casts,
            ):  # fmt: skip
                counter.clear()

    def totals(self) -> dict[str, int]:
        """The sums of operations, waits and pageable transfers."""
        return {
            "operations": self.operations.total(),
            "waits": self.waits.total(),
            "pageable": self.pageable.total(),
        }


COUNTS = Counts()
"""The counters of this process."""


def place() -> str:
    """File and line of the innermost frame outside torch, such as `methods/coop.py:98`."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if file := _short(frame.f_code.co_filename, frame.f_globals.get("__name__", "")):
            return f"{file}:{frame.f_lineno}"
        frame = frame.f_back
    return BACKWARD


@cache
def _short(file: str, module: str) -> str:
    """The file, relative to its top package's parent; empty for torch and for wrappers that only pass calls on."""
    if module.partition(".")[0] in _SKIPPED or file.startswith(_OWN):
        return ""
    path = Path(file)
    return "/".join(path.parts[-(module.count(".") + 1 + (path.stem == "__init__")) :])
