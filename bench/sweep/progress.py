"""What a person or a program sees of a sweep while it runs: a live view, lines, or JSON events; on standard error."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from bench.cli._print import remark
from bench.launch.protocol import FinishedTask, Outcome, RunTask


class LogStyle(StrEnum):
    """How a sweep tells what it does."""

    AUTO = "auto"
    """The live view on a terminal, lines elsewhere."""
    LIVE = "live"
    PLAIN = "plain"
    JSON = "json"


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


class SweepLog(Protocol):
    """Where a sweep says what happens."""

    def notice(self, text: str) -> None:
        """A remark in one line."""
        ...

    def finished(self, item: FinishedTask, tally: Tally, *, again: bool) -> None:
        """An attempt ended; `again` if the task is tried once more."""
        ...

    def during(self, tally: Tally, runs: Path, sweep: str) -> Any:
        """A context manager around the sweep of that presence in that runs folder."""
        ...


class PlainLog:
    """A line for everything that happens."""

    def notice(self, text: str) -> None:
        """As it is."""
        remark(text)

    def finished(self, item: FinishedTask, tally: Tally, *, again: bool) -> None:
        """What ended, how long it took, and the pace."""
        remark(f"[{tally.done}/{tally.total}] {outcome_line(item, again=again)} ({item.seconds:.1f} s; {tally.pace()})")

    @contextmanager
    def during(self, tally: Tally, runs: Path, sweep: str) -> Iterator[None]:  # noqa: ARG002
        """Nothing to set up."""
        yield


class JsonLog:
    """One JSON object a line: `event` says which kind, `time` when, in UTC."""

    def notice(self, text: str) -> None:
        """Event `notice`."""
        self._event("notice", text=text)

    def finished(self, item: FinishedTask, tally: Tally, *, again: bool) -> None:
        """Event `finished`, with the counts so far."""
        task = item.task
        self._event(
            "finished",
            run_id=task.spec.run_id if isinstance(task, RunTask) else None,
            what=task.label,
            attempt=task.attempt,
            again=again,
            **item.dump(),
            **tally.facts(),
        )

    @contextmanager
    def during(self, tally: Tally, runs: Path, sweep: str) -> Iterator[None]:
        """Events `begin` and `end`."""
        self._event("begin", runs=str(runs), sweep=sweep, **tally.facts())
        try:
            yield
        finally:
            self._event("end", **tally.facts())

    def _event(self, event: str, **values: object) -> None:
        moment = datetime.now(UTC).isoformat(timespec="milliseconds")
        remark(json.dumps({"event": event, "time": moment, **values}, ensure_ascii=False))


def open_log(style: LogStyle) -> SweepLog:
    """The log of that style."""
    if style is LogStyle.JSON:
        return JsonLog()
    if style is LogStyle.PLAIN or (style is LogStyle.AUTO and not sys.stderr.isatty()):
        return PlainLog()
    from bench.sweep.live_view import LiveLog

    return LiveLog()


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
