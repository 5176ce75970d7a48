"""Sends stored runs to one tracker, which says which runs it has."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from bench.boards.trackers.tracked_run import TrackedRun, tracked_run
from bench.errors import UnknownRunError
from bench.results import Shards, locked
from bench.sweep import AfterRun, Kind, Target


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


class Sending:
    """Sends runs of a folder to a tracker, which is opened with the first.

    `sent` counts the runs that it received, `known` those that it had.
    """

    def __init__(self, runs: Path, target: Target) -> None:
        self.sent = self.known = 0
        self._shards, self._target = Shards(runs), target
        self._tracker: Tracker | None = None

    def send(self, run_id: str) -> None:
        """Send a run. Raises UnknownRunError if it is not stored; any other exception is the tracker's."""
        run = _stored_run(self._shards, run_id)
        with locked(self._shards.runs / self._target.kind):  # one process at a time, so that no run is sent twice
            self._tracker = self._tracker or connect(self._target)
            if self._tracker.send(run):
                self.sent += 1
            else:
                self.known += 1

    def after_run(self, notice: Callable[[str], None], limit: float | None = AfterRun.limit) -> AfterRun:
        """`send` as a sweep calls it; `notice` receives one line if the tracker fails."""
        advice = f"`etl-bench export send {self._target} --runs {self._shards.runs}` sends what is missing there."
        return AfterRun(f"sending a run to {self._target}", self.send, advice, notice, limit)


def _stored_run(shards: Shards, run_id: str) -> TrackedRun:
    """A run with the difficulty of its dataset as they are on disk; raises UnknownRunError."""
    record = shards.record(run_id)
    if record is None:
        raise UnknownRunError(f"There is no intact record of run {run_id} in {shards.runs}.")
    return tracked_run(record, shards.difficulties.read(record.spec.backbone, record.spec.dataset) or ())
