"""Accuracy along a training: what a run would have given, had it stopped after 1, 2, 4, 8, ... epochs.

Nothing is chosen by it. Copies of what is learned are taken while the method trains; they are judged when the run is
scored and its cost is counted, so that asking for a curve changes neither. Each copy is judged as it would be scored:
behind the method's own `finalise`, with whatever the validation images have settled for the last one. A method that
trains in stages is complete only in its last one, where its curve begins.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bench.record import CurvePoint
from methods import Snapshots, TrainableMethod


def curve_epochs(first: int, epochs: int) -> tuple[int, ...]:
    """The epochs (from 1) that a curve shows: 1, 2, 4, ... behind the first `first`, and the last.

    Example:
        >>> curve_epochs(0, 10)
        (1, 2, 4, 8, 10)
    """
    steps = [2**i for i in range(epochs.bit_length())]
    return tuple(first + n for n in dict.fromkeys([*(n for n in steps if n <= epochs), epochs]))


@dataclass(frozen=True)
class TrainingPoint:
    """Where a training was when a copy was taken."""

    epoch: int
    steps: int
    seconds: float


class TrainingCurve:
    """The copies of one training.

    Args:
        method: prepared; `trainable` is copied from it and put back into it.
        clock: a steady clock, seconds.
    """

    def __init__(self, method: TrainableMethod[Any], clock: Callable[[], float] = time.perf_counter) -> None:
        self.method = method
        self.moments: list[TrainingPoint] = []
        self._copies = Snapshots(method.trainable)
        self._epochs: tuple[int, ...] = ()
        self._clock = clock
        self._begin = clock()
        self._of = 0

    def plan(self, first: int, epochs: int) -> None:
        """Say where the last stage begins and how long it is."""
        self._epochs, self._of = curve_epochs(first, epochs), first + epochs

    def end_of_epoch(self, epoch: int, steps: int) -> None:
        """Take a copy if the curve shows this epoch (from 1), behind so many steps."""
        if epoch in self._epochs:
            self.moments.append(TrainingPoint(epoch, steps, self._spent()))
            self._copies.take()

    def points(self, score: Callable[[], Mapping[str, float]]) -> list[CurvePoint]:
        """Judge every copy; the method is left at the last.

        Args:
            score: accuracy by split of the method as it is.
        """
        found = []
        for index, moment in enumerate(self.moments):
            self._copies.restore(index)
            with torch.no_grad():
                self.method.finalise()
                found.append(CurvePoint(**vars(moment), epochs=self._of, accuracy=dict(score())))
        return found

    # --- over the parts of a training that was cut off ----------------------------------------------------------------

    def dump(self) -> dict[str, Tensor]:
        """Everything as tensors; seconds of the parts so far included."""
        rows = [[moment.epoch, moment.steps, moment.seconds] for moment in self.moments]
        return {
            "spent": torch.tensor(self._spent(), dtype=torch.float64),
            "moments": torch.tensor(rows, dtype=torch.float64).reshape(-1, 3),
        } | {f"copy.{name}": value for name, value in self._copies.dump().items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """The inverse of `dump`."""
        self._begin = self._clock() - float(tensors["spent"])
        self.moments = [
            TrainingPoint(int(epoch), int(steps), float(s)) for epoch, steps, s in tensors["moments"].tolist()
        ]
        copies = {name: value for name, value in tensors.items() if name.startswith("copy.")}
        self._copies.load({name.removeprefix("copy."): value for name, value in copies.items()})

    def _spent(self) -> float:
        return self._clock() - self._begin
