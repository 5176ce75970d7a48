"""The process that sends runs to trackers, so that a tracker cannot fail, wait or print in the process of a sweep.

It reads run ids from standard input, one per line, and writes a `Report` as JSON for each of them and each tracker.
"""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from textwrap import shorten

from bench._util.locking import locked
from bench.errors import UnknownRunError
from bench.results.shards import Shards
from bench.trackers.connection import Tracker, connect
from bench.trackers.report import Report, Result
from bench.trackers.target import Target
from bench.trackers.tracked_run import TrackedRun, tracked_run

MOST_FAILURES = 3
"""After so many failures in a row nothing more is sent to a tracker."""
_LONGEST_MESSAGE = 200
_NICE = 5


class _Channel:
    """One tracker, opened with the first run; given up after several failures in a row."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._tracker: Tracker | None = None
        self._failures = 0

    def send(self, shards: Shards, run_id: str) -> tuple[Result, str]:
        if self._failures >= MOST_FAILURES:
            return Result.FAILED, f"not tried after {MOST_FAILURES} failures in a row"
        try:
            run = _stored_run(shards, run_id)
            with locked(shards.runs / "trackers"):  # also while a first connection creates the database
                self._tracker = self._tracker or connect(self.target)
                sent = self._tracker.send(run)
        except Exception as error:
            traceback.print_exc()
            self._failures += 1
            return Result.FAILED, shorten(f"{type(error).__name__}: {error}", _LONGEST_MESSAGE, placeholder=" ...")
        self._failures = 0
        return (Result.SENT if sent else Result.KNOWN), ""


def send_runs(runs: Path, targets: list[Target], run_ids: Iterator[str]) -> Iterator[Report]:
    """Send runs in turn to every tracker. One process of a runs folder sends at a time, so no run is sent twice."""
    shards = Shards(runs)
    channels = [_Channel(target) for target in targets]
    for run_id in run_ids:
        for channel in channels:
            yield Report(run_id, str(channel.target), *channel.send(shards, run_id))


def _stored_run(shards: Shards, run_id: str) -> TrackedRun:
    """A run with the difficulty of its dataset as they are on disk; raises UnknownRunError."""
    record = shards.record(run_id)
    if record is None:
        raise UnknownRunError(f"There is no intact record of run {run_id} in {shards.runs}.")
    return tracked_run(record, shards.difficulties.read(record.spec.backbone, record.spec.dataset) or ())


def main() -> None:
    """Send the runs that standard input names. Arguments: the search path, the runs folder, the trackers."""
    _, _, runs, *targets = sys.argv
    with suppress(AttributeError, OSError):  # Windows has none
        os.nice(_NICE)  # runs come first
    reports = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # trackers print
    ids = (line.strip() for line in sys.stdin)
    for report in send_runs(Path(runs), [Target.parse(text) for text in targets], ids):
        print(report.dump(), file=reports, flush=True)
