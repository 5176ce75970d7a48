"""Counts the finished tasks of a sweep and estimates the time left."""

import time
from dataclasses import dataclass, field
from typing import Any

from bench.launch.tasks import FinishedTask, Outcome, RunTask


@dataclass
class Tally:
    """Counts finished tasks and estimates the pace. An attempt that will be retried does not count."""

    total: int
    done: int = 0
    failed: int = 0
    elsewhere: int = 0
    _begin: float = field(default_factory=time.monotonic)
    _problems: set[str] = field(default_factory=set)

    def count(self, item: FinishedTask, *, again: bool) -> None:
        """Count one finished attempt."""
        if not again:
            self.done += 1
            self.failed += item.outcome is not Outcome.OK and isinstance(item.task, RunTask)
            self.elsewhere += not item.here

    @property
    def rate(self) -> float:
        """Mean tasks per minute so far."""
        return 60 * self.done / max(time.monotonic() - self._begin, 1e-6)

    @property
    def seconds_left(self) -> float | None:
        """Estimated remaining time at the mean pace; None before the first task ended."""
        return 60 * (self.total - self.done) / self.rate if self.done else None

    def pace(self) -> str:
        """Failures, tasks per minute and remaining time."""
        failures = f"{self.failed} failed, " if self.failed else ""
        left = "" if self.seconds_left is None else f", {duration(self.seconds_left)} to go"
        return f"{failures}{self.rate:.1f} a minute{left}"

    def outcome_line(self, item: FinishedTask, *, again: bool) -> str:
        """One line about the outcome of a task; only the first line about a problem has its message."""
        if item.outcome is Outcome.OK:
            more = f"; {item.message}" if item.message else ""
            return f"ok      {item.task.label}{'' if item.here else ', by another sweep'}{more}"
        message = "the same problem again" if item.message in self._problems else item.message
        self._problems.add(item.message)
        following = "; tried again" if again else ""
        what = "failed " if isinstance(item.task, RunTask) else "not measured"
        return f"{what} {item.task.label}: {message}{following}"

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


def duration(seconds: float) -> str:
    """Seconds in a readable form, such as `2 min 05 s`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
