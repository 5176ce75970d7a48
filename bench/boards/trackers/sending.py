"""The process that sends runs to trackers, so that a tracker cannot fail, wait or print in the sweep."""

import json
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from textwrap import shorten
from typing import Protocol, Self

from bench.boards.trackers.sent_runs import FOLDER, SentRuns
from bench.boards.trackers.tracked_run import TrackedRun, tracked_run
from bench.errors import UnknownRunError
from bench.results import Shards, locked
from bench.sweep import Kind, Target


class SendResult(StrEnum):
    """The result of sending a run."""

    SENT = "sent"
    KNOWN = "known"
    """The tracker has this result."""
    FAILED = "failed"


@dataclass(frozen=True)
class SendReport:
    """The result of sending a run to a tracker; `message` says why it was not sent."""

    run_id: str
    target: str
    result: SendResult
    message: str = ""

    def dump(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, line: str) -> Self:
        """The inverse of `dump`."""
        values = json.loads(line)
        return cls(**values | {"result": SendResult(values["result"])})


class Tracker(Protocol):
    """Receives finished runs."""

    def send(self, run: TrackedRun) -> bool:
        """Send a run; False if this result is already there. An older result of the same run is replaced.

        Any exception means that the run was not sent. A later call may send it.
        """


def connect(target: Target) -> Tracker:
    """Connect to a tracker; any exception means that it does not work."""
    match target.kind:
        case Kind.MLFLOW:
            from bench.boards.trackers.mlflow import MlflowTracker

            return MlflowTracker(target.place)
        case Kind.WANDB:
            from bench.boards.trackers.wandb import WandbTracker

            return WandbTracker(target.place)
        case Kind.TRACKIO:
            from bench.boards.trackers.trackio import TrackioTracker

            return TrackioTracker(target.place)


MOST_FAILURES = 3
"""After so many failures in a row nothing more is sent to a tracker."""
_LONGEST_MESSAGE = 200
_NICE = 5


class _Channel:
    """One tracker, opened with the first run; given up after several failures in a row. It remembers what it sent."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._tracker: Tracker | None = None
        self._failures = 0

    def send(self, shards: Shards, run_id: str) -> tuple[SendResult, str]:
        if self._failures >= MOST_FAILURES:
            return SendResult.FAILED, f"not tried after {MOST_FAILURES} failures in a row"
        try:
            stamp = shards.stamp(run_id)  # before the record, so that a newer result counts as missing
            run = _stored_run(shards, run_id)
            with locked(shards.runs / FOLDER):  # also while a first connection creates the database
                self._tracker = self._tracker or connect(self.target)
                sent = self._tracker.send(run)
                _remember(SentRuns(shards.runs, self.target), run_id, stamp)
        except Exception as error:
            traceback.print_exc()
            self._failures += 1
            return SendResult.FAILED, shorten(f"{type(error).__name__}: {error}", _LONGEST_MESSAGE, placeholder=" ...")
        self._failures = 0
        return (SendResult.SENT if sent else SendResult.KNOWN), ""


def send_each(runs: Path, targets: list[Target], run_ids: Iterator[str]) -> Iterator[SendReport]:
    """Send runs in turn to every tracker. One process of a runs folder sends at a time, so no run is sent twice."""
    shards = Shards(runs)
    channels = [_Channel(target) for target in targets]
    for run_id in run_ids:
        for channel in channels:
            yield SendReport(run_id, str(channel.target), *channel.send(shards, run_id))


def _remember(sent: SentRuns, run_id: str, stamp: str | None) -> None:
    """Remember a received run; without room on the disk, the tracker is asked again."""
    if stamp is not None:
        with suppress(OSError):
            sent.add(run_id, stamp)


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
    for report in send_each(Path(runs), [Target.parse(text) for text in targets], ids):
        print(report.dump(), file=reports, flush=True)
