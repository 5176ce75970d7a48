"""Connects to a tracker and imports its package."""

from typing import Protocol

from bench.trackers.target import Kind, Target
from bench.trackers.tracked_run import TrackedRun


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
            from bench.trackers.mlflow import MlflowTracker

            return MlflowTracker(target.place)
        case Kind.WANDB:
            from bench.trackers.wandb import WandbTracker

            return WandbTracker(target.place)
        case Kind.TRACKIO:
            from bench.trackers.trackio import TrackioTracker

            return TrackioTracker(target.place)
