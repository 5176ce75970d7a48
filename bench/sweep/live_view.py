"""The live view of a sweep on a terminal: counts, pace, and one line per worker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bench.launch.protocol import FinishedTask, Outcome
from bench.sweep.progress import SweepLog
from bench.sweep.tally import Tally, outcome_line
from bench.sweep.worker_table import worker_rows

_REFRESHES_PER_SECOND = 4


class LiveLog(SweepLog):
    """A view that refreshes itself; notices and failures scroll above it."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)

    def notice(self, text: str) -> None:
        """Print one line above the view."""
        self._console.print(text, markup=False, highlight=False)

    def finished(self, item: FinishedTask, tally: Tally, *, again: bool) -> None:  # noqa: ARG002
        """Print failures; the view shows everything else."""
        if item.outcome is not Outcome.OK:
            self.notice(outcome_line(item, again=again))

    @contextmanager
    def during(self, tally: Tally, runs: Path, sweep: str) -> Iterator[None]:
        """Show the view."""
        if not tally.total:
            yield
            return

        with Live(
            console=self._console,
            get_renderable=lambda: view(tally, worker_rows(runs, sweep)),
            refresh_per_second=_REFRESHES_PER_SECOND,
        ):
            yield


def view(tally: Tally, rows: list[dict[str, str]]) -> Group:
    """Counts above, workers below."""
    running = sum(row["doing"] != "-" for row in rows)
    head = Table.grid(padding=(0, 2))
    counts = f"{tally.done}/{tally.total} done, {running} running, {tally.pace()}"
    head.add_row(ProgressBar(total=tally.total, completed=tally.done, width=30), Text(counts))
    workers = Table.grid(padding=(0, 2))
    for row in rows:
        workers.add_row(*(Text(row[name], overflow="ellipsis", no_wrap=True) for name in ("worker", "doing", "for")))
    return Group(head, workers)
