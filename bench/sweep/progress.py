"""Progress of a sweep on standard error: a live view, lines, JSON events, or a bar in a notebook."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.launch.tasks import FinishedTask, Outcome, RunTask
from bench.sweep.tally import Tally
from bench.sweep.worker_table import worker_rows

if TYPE_CHECKING:
    from rich.console import Group


class LogStyle(StrEnum):
    """How a sweep reports its progress."""

    AUTO = "auto"
    """The live view on a terminal, a bar in a notebook, lines elsewhere."""
    LIVE = "live"
    PLAIN = "plain"
    JSON = "json"
    NONE = "none"


class SweepLog:
    """Receives the events of a sweep. This one reports nothing."""

    def notice(self, text: str) -> None:
        """A one-line message."""

    def finished(self, item: FinishedTask, tally: Tally, *, again: bool) -> None:
        """An attempt ended; `again` if the task will be retried."""

    @contextmanager
    def during(self, tally: Tally, runs: Path, sweep: str) -> Iterator[None]:  # noqa: ARG002
        """A context manager around the sweep with this heartbeat name in this runs folder."""
        yield


class PlainLog(SweepLog):
    """One line per event."""

    def notice(self, text: str) -> None:
        _write_line(text)

    def finished(self, item: FinishedTask, tally: Tally, *, again: bool) -> None:
        line = tally.outcome_line(item, again=again)
        _write_line(f"[{tally.done}/{tally.total}] {line} ({item.seconds:.1f} s; {tally.pace()})")


class NotebookLog(PlainLog):
    """A progress bar in a notebook; notices and failures are lines above it."""

    def __init__(self) -> None:
        self._bar: Any = None

    def finished(self, item: FinishedTask, tally: Tally, *, again: bool) -> None:
        self._bar.update(tally.done - self._bar.n)
        if item.outcome is not Outcome.OK:
            self.notice(tally.outcome_line(item, again=again))

    @contextmanager
    def during(self, tally: Tally, runs: Path, sweep: str) -> Iterator[None]:  # noqa: ARG002
        from tqdm.auto import tqdm

        with tqdm(total=tally.total, unit="run") as self._bar:
            yield


class JsonLog(SweepLog):
    """One JSON object per line, with the kind of `event` and the `time` in UTC."""

    def notice(self, text: str) -> None:
        self._event("notice", text=text)

    def finished(self, item: FinishedTask, tally: Tally, *, again: bool) -> None:
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
        self._event("begin", runs=str(runs), sweep=sweep, **tally.facts())
        try:
            yield
        finally:
            self._event("end", **tally.facts())

    def _event(self, event: str, **values: object) -> None:
        moment = datetime.now(UTC).isoformat(timespec="milliseconds")
        _write_line(json.dumps({"event": event, "time": moment, **values}, ensure_ascii=False))


class LiveLog(SweepLog):
    """A live view on a terminal: counts, pace, and a line per worker. Notices and failures scroll above it."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True)

    def notice(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False)

    def finished(self, item: FinishedTask, tally: Tally, *, again: bool) -> None:
        if item.outcome is not Outcome.OK:
            self.notice(tally.outcome_line(item, again=again))

    @contextmanager
    def during(self, tally: Tally, runs: Path, sweep: str) -> Iterator[None]:
        if not tally.total:
            yield
            return

        from rich.live import Live

        with Live(
            console=self._console,
            get_renderable=lambda: view(tally, worker_rows(runs, sweep)),
            refresh_per_second=4,
        ):
            yield


def view(tally: Tally, rows: list[dict[str, str]]) -> Group:
    """Counts above, workers below."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    running = sum(row["doing"] != "-" for row in rows)
    head = Table.grid(padding=(0, 2))
    counts = f"{tally.done}/{tally.total} done, {running} running, {tally.pace()}"
    head.add_row(ProgressBar(total=tally.total, completed=tally.done, width=30), Text(counts))
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
