"""What a person sees while a sweep runs: a bar on a terminal, lines elsewhere; always on standard error."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Self

from bench.cli._print import remark
from bench.launch._protocol import Finished, Outcome

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


@dataclass
class SweepProgress:
    """Counts finished tasks. A context manager; `finished` is called after each task, `notice` for a remark.

    Args:
        total: number of tasks.
    """

    total: int
    done: int = 0
    failed: int = 0
    _begin: float = field(default_factory=time.monotonic)
    _bar: Progress | None = None
    _task: TaskID | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty() and self.total:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[note]}"),
                TimeElapsedColumn(),
                console=Console(stderr=True),
            )
            self._task = self._bar.add_task("runs", total=self.total, note="")
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def finished(self, item: Finished) -> None:
        """Take note of one task that ended."""
        self.done += 1
        failed = item.outcome is Outcome.FAILED
        self.failed += failed
        what = f"failed  {item.task.label}: {item.message}" if failed else f"ok      {item.task.label}"
        if self._bar is None or self._task is None:
            remark(f"[{self.done}/{self.total}] {what} ({item.seconds:.1f} s; {self.pace()})")
            return
        if failed:
            self.notice(what)
        self._bar.update(self._task, completed=self.done, note=self.pace())

    def notice(self, text: str) -> None:
        """A remark that does not tear the bar."""
        if self._bar is None:
            remark(text)
        else:
            self._bar.console.print(text, markup=False, highlight=False)

    def pace(self) -> str:
        """Failures, runs a minute and time to go, at the mean pace so far."""
        seconds = max(time.monotonic() - self._begin, 1e-6)
        left = (self.total - self.done) * seconds / max(self.done, 1)
        failures = f"{self.failed} failed, " if self.failed else ""
        return f"{failures}{60 * self.done / seconds:.1f} a minute, {_duration(left)} to go"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
