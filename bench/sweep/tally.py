"""Counts the finished tasks of a sweep and estimates the time left."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from bench.launch.protocol import FinishedTask, Outcome


@dataclass
class Tally:
    """Counts what has ended, and tells the pace. An attempt that is followed by another one does not count."""

    total: int
    done: int = 0
    failed: int = 0
    elsewhere: int = 0
    _begin: float = field(default_factory=time.monotonic)

    def count(self, item: FinishedTask, *, again: bool) -> None:
        """Take note of one attempt that ended."""
        if not again:
            self.done += 1
            self.failed += item.outcome is not Outcome.OK
            self.elsewhere += not item.here

    @property
    def rate(self) -> float:
        """Tasks a minute, so far."""
        return 60 * self.done / max(time.monotonic() - self._begin, 1e-6)

    @property
    def seconds_left(self) -> float | None:
        """Time to go at the mean pace so far; None before there is one."""
        return 60 * (self.total - self.done) / self.rate if self.done else None

    def pace(self) -> str:
        """Failures, tasks a minute and time to go."""
        failures = f"{self.failed} failed, " if self.failed else ""
        left = "" if self.seconds_left is None else f", {duration(self.seconds_left)} to go"
        return f"{failures}{self.rate:.1f} a minute{left}"

    def facts(self) -> dict[str, Any]:
        """Plain values, for events and for `etl-bench status`."""
        return {
            "total": self.total,
            "done": self.done,
            "failed": self.failed,
            "elsewhere": self.elsewhere,
            "a_minute": round(self.rate, 2),
            "seconds_left": None if self.seconds_left is None else round(self.seconds_left),
        }


def outcome_line(item: FinishedTask, *, again: bool) -> str:
    """What ended, and how."""
    if item.outcome is Outcome.OK:
        return f"ok      {item.task.label}{'' if item.here else ', by another sweep'}"
    following = "; tried again" if again else ""
    return f"failed  {item.task.label}: {item.message}{following}"


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
