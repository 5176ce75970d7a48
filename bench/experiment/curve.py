"""Accuracy curves: the accuracy of a run if it had stopped after 1, 2, 4, 8, ... epochs.

A curve is not used for any choice. Copies of the learned tensors are taken during training. They are evaluated after
the run is scored and its cost is measured, so a curve changes neither. Each copy is evaluated after the method's own
`finalise`, with the values that validation chose for the last copy. A method that trains in stages is complete only in
its last stage, where its curve begins.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bench.experiment.epoch_observer import EpochObserver
from bench.record import CurvePoint
from methods import TrainableMethod


def curve_epochs(first: int, epochs: int) -> tuple[int, ...]:
    """The epochs (from 1) of a curve: 1, 2, 4, ... after the first `first`, and the last.

    Example:
        >>> curve_epochs(0, 10)
        (1, 2, 4, 8, 10)
    """
    steps = [2**i for i in range(epochs.bit_length())]
    return tuple(first + n for n in dict.fromkeys([*(n for n in steps if n <= epochs), epochs]))


@dataclass(frozen=True)
class TrainingPoint:
    """The progress of training when a copy was taken: epochs, optimiser steps, seconds."""

    epoch: int
    steps: int
    seconds: float


class TrainingCurve(EpochObserver):
    """Copies of a prepared method's `trainable` during training, which can be restored."""

    choose_epochs = staticmethod(curve_epochs)

    def __init__(self, method: TrainableMethod[Any], clock: Callable[[], float] = time.perf_counter) -> None:
        super().__init__(method)
        self.taken: list[TrainingPoint] = []
        self._clock = clock
        self._start = clock()

    def end_of_epoch(self, epoch: int, steps: int) -> None:
        """Take a copy if the curve includes this epoch (from 1), which ends after `steps` steps."""
        if epoch in self._epochs:
            self.taken.append(TrainingPoint(epoch, steps, self._elapsed()))
        super().end_of_epoch(epoch, steps)

    def points(self, score: Callable[[], Mapping[str, float]]) -> list[CurvePoint]:
        """Evaluate every copy with `score`, which returns accuracies by split; the method is left at the last copy."""
        found = []
        for index, point in enumerate(self.taken):
            self._copies.restore(index)
            with torch.no_grad():
                self.method.finalise()
                found.append(CurvePoint(**vars(point), epochs=self._epochs[-1], accuracy=dict(score())))
        return found

    def dump(self) -> dict[str, Tensor]:
        """All copies as tensors, for a checkpoint, with the seconds so far."""
        rows = [[point.epoch, point.steps, point.seconds] for point in self.taken]
        return {
            "spent": torch.tensor(self._elapsed(), dtype=torch.float64),
            "moments": torch.tensor(rows, dtype=torch.float64).reshape(-1, 3),
        } | {f"copy.{name}": value for name, value in super().dump().items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """The inverse of `dump`."""
        self._start = self._clock() - float(tensors["spent"])
        rows = tensors["moments"].tolist()
        self.taken = [TrainingPoint(int(epoch), int(steps), float(seconds)) for epoch, steps, seconds in rows]
        super().load({n.removeprefix("copy."): value for n, value in tensors.items() if n.startswith("copy.")})

    def _elapsed(self) -> float:
        return self._clock() - self._start
