"""Sends stored runs to one tracker, which says which runs it has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Annotated, Protocol

from bench.api import chosen_runs, options
from bench.errors import BenchError, UnknownRunError
from bench.sweep import AfterRun, check_tracker

if TYPE_CHECKING:
    from bench.extensions.trackers.tracked_run import TrackedRun
    from bench.results import Shards


class TrackerError(BenchError, RuntimeError):
    """An experiment tracker cannot be used, or runs could not be sent to it."""


class Tracker(Protocol):
    """Receives finished runs."""

    def send(self, run: TrackedRun) -> bool:
        """Send a run; False if this result is already there. An older result of the same run is replaced.

        Any exception means that the run was not sent. A later call may send it.
        """


_TRACKERS = {"mlflow": "mlflow:MlflowTracker", "wandb": "wandb:WandbTracker", "trackio": "trackio:TrackioTracker"}


def connect_tracker(name: str, place: str = "") -> Tracker:
    """Connect to a tracker; any exception means that it does not work.

    Args:
        name: of the tracker and its package.
        place: tracking URI of MLflow, `[ENTITY/]PROJECT` of Weights & Biases, project of trackio; empty for the
            tracker's own default.
    """
    tracker: Tracker = resolve_name(f"bench.extensions.trackers.{_TRACKERS[name]}")(place)
    return tracker


class Sending:
    """Sends runs of a folder to a tracker, which is opened with the first.

    `sent` counts the runs that it received, `known` those that it had.

    Args:
        tracker: such as `mlflow:sqlite:///mlflow.db`.

    Raises TrackerError if its package is not installed.
    """

    def __init__(self, runs: Path, tracker: str) -> None:
        from bench.results import Shards

        self.sent = self.known = 0
        self._shards, self.tracker = Shards(runs), tracker
        self._name, _, self._place = tracker.partition(":")
        self._opened: Tracker | None = None
        _check_installed(self._name, tracker)

    def send(self, run_id: str) -> None:
        """Send a run. Raises UnknownRunError if it is not stored; any other exception is the tracker's."""
        from bench.results import locked

        run = _stored_run(self._shards, run_id)
        with locked(self._shards.runs / self._name):  # one process at a time, so that no run is sent twice
            self._opened = self._opened or connect_tracker(self._name, self._place)
            if self._opened.send(run):
                self.sent += 1
            else:
                self.known += 1

    def after_run(self, notice: Callable[[str], None], limit: float | None = AfterRun.limit) -> AfterRun:
        """`send` as a sweep calls it; `notice` receives one line if the tracker fails."""
        advice = f"`etl-bench export send {self.tracker} --runs {self._shards.runs}` sends what is missing there."
        return AfterRun(f"sending a run to {self.tracker}", self.send, advice, notice, limit)


@dataclass(frozen=True)
class Sent:
    """Runs that a tracker received now, had before, and lacks."""

    tracker: str
    sent: int
    known: int
    missing: int


def after_run(runs: Path, tracker: str, notice: Callable[[str], None]) -> AfterRun:
    """What `run --tracker` calls after each run; see `bench.extension.AfterRunMaker`."""
    return Sending(runs, tracker).after_run(notice)


def send_runs(
    trackers: Annotated[
        Sequence[str], options.Arg("mlflow[:URI], wandb[:PROJECT] or trackio[:PROJECT].", metavar="TRACKER...")
    ],
    runs: options.Runs = "runs",
    *,
    where: options.Where = None,
    say: Callable[[str], None],
) -> Iterator[Sent]:
    """Send finished runs to experiment trackers; `say` receives notes. Raises TrackerError if one is not installed."""
    sendings = [Sending(Path(runs), text) for text in dict.fromkeys(map(check_tracker, trackers))]
    chosen = chosen_runs(Path(runs), where, completed=True)
    for sending in sendings:
        hook = sending.after_run(say, limit=None)
        for run_id in chosen:
            hook(run_id)
        yield Sent(sending.tracker, sending.sent, sending.known, len(chosen) - sending.sent - sending.known)


def _check_installed(name: str, tracker: str) -> None:
    found = find_spec(name)
    if found is None or found.origin is None:  # a folder such as that of wandb's offline runs is not the package
        raise TrackerError(
            f"The tracker {tracker} needs the package {name}, which is not installed; "
            f"run `pip install 'clip-etl-bench[{name}]'`."
        )


def _stored_run(shards: Shards, run_id: str) -> TrackedRun:
    """A run with the difficulty of its dataset as they are on disk; raises UnknownRunError."""
    from bench.extensions.trackers.tracked_run import tracked_run

    record = shards.record(run_id)
    if record is None:
        raise UnknownRunError(f"There is no intact record of run {run_id} in {shards.runs}.")
    return tracked_run(record, shards.difficulties.read(record.spec.backbone, record.spec.dataset) or ())
