"""Progress of a sweep: finished tasks, time left, the work of each worker, and how it is shown."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench._util.terminal import terminal_width, wrapped
from bench.sweep.launch.task_claims import Living, living
from bench.sweep.launch.tasks import FinishedTask, Outcome, RunTask

if TYPE_CHECKING:
    from rich.console import Group


def duration(seconds: float) -> str:
    """Seconds in a readable form, such as `2 min 05 s`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def worker_rows(runs: Path, sweep: str | None = None) -> list[dict[str, str]]:
    """One row per worker of one sweep or of all: host and process, task, and elapsed time."""
    workers = [item for item in living(runs) if item.kind == "worker" and sweep in (None, item.facts.get("sweep"))]
    workers.sort(key=lambda item: (item.process.host, item.process.pid, item.name))
    return [
        {"worker": f"{item.process.host}:{item.process.pid}", "doing": doing(item), "for": _elapsed(item)}
        for item in workers
    ]


def doing(item: Living) -> str:
    """The current task, with the attempt number after the first, and whether a signal has stopped the worker."""
    attempt = item.facts.get("attempt") or 1
    task = str(item.facts.get("task") or "-")
    text = f"{task}, attempt {attempt}" if attempt > 1 else task
    return f"{text}, stopped (`kill -CONT {item.process.pid}` resumes it)" if item.process.stopped else text


def _elapsed(item: Living) -> str:
    """Elapsed time of the task; empty for other machines, whose monotonic clocks cannot be compared."""
    since = item.facts.get("since")
    if since is None or item.facts.get("task") is None or item.process.alive is None:
        return ""
    return duration(max(time.monotonic() - since, 0.0))


class LogStyle(StrEnum):
    """How a sweep reports its progress."""

    AUTO = "auto"
    """The live view on a terminal, a bar in a notebook, lines elsewhere."""
    LIVE = "live"
    PLAIN = "plain"
    JSON = "json"
    NONE = "none"


class SweepLog:
    """Counts the runs of a sweep and receives its events. This one reports nothing.

    An attempt that will be retried does not count, nor a difficulty.

    Attributes:
        total: the number of runs; `done` of them have ended, `failed` of these failed, and other sweeps computed
            `elsewhere`.
    """

    total = done = failed = elsewhere = 0
    _several = 0
    _begin: float | None = None

    def __init__(self) -> None:
        self._problems: set[str] = set()

    def expect(self, total: int) -> None:
        """Count the runs of the following sweeps as one, `total` in all."""
        self.begin(total)
        self._several = total

    def begin(self, total: int) -> None:
        """Begin to count a sweep of so many runs."""
        if self._several:
            self.total = max(self._several, self.done + total)
        else:
            self.total, self.done, self.failed, self.elsewhere, self._begin = total, 0, 0, 0, None
            self._problems = set()

    @property
    def rate(self) -> float:
        """Mean runs per minute since the first run began; 0 before it ended."""
        return 0.0 if self._begin is None else 60 * self.done / max(time.monotonic() - self._begin, 1e-6)

    @property
    def seconds_left(self) -> float | None:
        """Estimated remaining time at the mean pace; None before the first run ended."""
        return 60 * (self.total - self.done) / self.rate if self.done else None

    def pace(self) -> str:
        """Failures, runs per minute and remaining time."""
        failures = f"{self.failed} failed, " if self.failed else ""
        to_go = "" if self.seconds_left is None else f", {duration(self.seconds_left)} to go"
        return f"{failures}{self.rate:.1f} a minute{to_go}"

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

    def notice(self, text: str) -> None:
        """A one-line message."""

    def finished(self, item: FinishedTask, *, again: bool) -> None:
        """An attempt ended: count and report it; `again` if the task will be retried."""
        if not again and isinstance(item.task, RunTask):
            if self._begin is None:  # when workers began to compute, not when the sweep began to prepare
                self._begin = time.monotonic() - (item.seconds if item.here else 0.0)
            self.done += 1
            self.failed += item.outcome is not Outcome.OK
            self.elsewhere += not item.here
        self.report(item, again=again)

    def report(self, item: FinishedTask, *, again: bool) -> None:
        """Report an attempt that is counted."""

    @contextmanager
    def during(self, runs: Path, sweep: str) -> Iterator[None]:  # noqa: ARG002
        """A context manager around the sweep of this name in this runs folder."""
        yield


class PlainLog(SweepLog):
    """A line whenever a tenth of the runs or a minute has passed, and one for everything that did not succeed."""

    _next_count, _next_moment = 1, 0.0

    def begin(self, total: int) -> None:
        super().begin(total)
        self._next_count = 1

    def notice(self, text: str) -> None:
        _write_line(wrapped(text, terminal_width(sys.stderr)))

    def report(self, item: FinishedTask, *, again: bool) -> None:
        succeeded, now = item.outcome is Outcome.OK, time.monotonic()
        if isinstance(item.task, RunTask):
            waits = self.done < min(self._next_count, self.total) and now < self._next_moment
            if succeeded and waits:
                return
            self._next_count, self._next_moment = self.done + max(self.total // 10, 1), now + 60
            line = self.outcome_line(item, again=again)
            self.notice(f"[{self.done}/{self.total}] {line} ({item.seconds:.1f} s; {self.pace()})")
        elif not succeeded:
            self.notice(f"{self.outcome_line(item, again=again)} ({item.seconds:.1f} s)")


class NotebookLog(PlainLog):
    """A progress bar in a notebook; notices and failures are lines above it."""

    _bar: Any = None

    def report(self, item: FinishedTask, *, again: bool) -> None:
        self._bar.update(self.done - self._bar.n)
        if item.outcome is not Outcome.OK:
            self.notice(self.outcome_line(item, again=again))

    @contextmanager
    def during(self, runs: Path, sweep: str) -> Iterator[None]:  # noqa: ARG002
        from tqdm.auto import tqdm

        with tqdm(total=self.total, unit="run") as self._bar:
            yield


class JsonLog(SweepLog):
    """One JSON object per line, with the kind of `event` and the `time` in UTC."""

    def notice(self, text: str) -> None:
        self._event("notice", text=text)

    def report(self, item: FinishedTask, *, again: bool) -> None:
        task = item.task
        self._event(
            "finished",
            run_id=task.spec.run_id if isinstance(task, RunTask) else None,
            what=task.label,
            attempt=task.attempt,
            again=again,
            **item.dump(),
            **self.facts(),
        )

    @contextmanager
    def during(self, runs: Path, sweep: str) -> Iterator[None]:
        self._event("begin", runs=str(runs), sweep=sweep, **self.facts())
        try:
            yield
        finally:
            self._event("end", **self.facts())

    def _event(self, event: str, **values: object) -> None:
        moment = datetime.now(UTC).isoformat(timespec="milliseconds")
        _write_line(json.dumps({"event": event, "time": moment, **values}, ensure_ascii=False))


class LiveLog(SweepLog):
    """A live view on a terminal: counts, pace, and a line per worker. Notices and failures scroll above it."""

    def __init__(self) -> None:
        from rich.console import Console

        super().__init__()
        self._console = Console(stderr=True)

    def notice(self, text: str) -> None:
        self._console.print(wrapped(text, self._console.width), markup=False, highlight=False, soft_wrap=True)

    def report(self, item: FinishedTask, *, again: bool) -> None:
        if item.outcome is not Outcome.OK:
            self.notice(self.outcome_line(item, again=again))

    @contextmanager
    def during(self, runs: Path, sweep: str) -> Iterator[None]:
        from rich.live import Live

        with Live(
            console=self._console,
            get_renderable=lambda: view(self, worker_rows(runs, sweep)),
            refresh_per_second=4,
        ):
            yield


def view(log: SweepLog, rows: list[dict[str, str]]) -> Group:
    """Counts above, workers below."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    running = sum(row["doing"] != "-" for row in rows)
    head = Table.grid(padding=(0, 2))
    counts = f"{log.done}/{log.total} done, {running} running, {log.pace()}"
    head.add_row(ProgressBar(total=log.total, completed=log.done, width=30), Text(counts))
    workers = Table.grid(padding=(0, 2))
    for row in rows:
        workers.add_row(*(Text(row[name], overflow="ellipsis", no_wrap=True) for name in ("worker", "doing", "for")))
    return Group(head, workers)


def open_log(style: LogStyle) -> SweepLog:
    """The log of that style."""
    if style is LogStyle.JSON:
        return JsonLog()
    if style is LogStyle.NONE:
        return SweepLog()
    if style is LogStyle.AUTO and "ipykernel" in sys.modules:
        return NotebookLog()
    if style is LogStyle.PLAIN or (style is LogStyle.AUTO and not sys.stderr.isatty()):
        return PlainLog()
    return LiveLog()


def _write_line(text: str) -> None:
    sys.stderr.write(text + "\n")
