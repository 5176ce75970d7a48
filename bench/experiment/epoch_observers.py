"""Observers of a training: accuracy curves, and candidates of epoch selection."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bench.record import CurvePoint
from methods import Batch, Classifier, Snapshots, TrainableMethod, logits_accuracy


class EpochObserver(ABC):
    """Copies of a prepared method's `trainable` at the ends of some epochs of its last stage."""

    def __init__(self, method: TrainableMethod[Any]) -> None:
        self.method = method
        self._copies = Snapshots(method.trainable)
        self._epochs: tuple[int, ...] = ()

    @staticmethod
    @abstractmethod
    def choose_epochs(first: int, epochs: int) -> tuple[int, ...]:
        """The epochs to copy (from 1), of the `epochs` epochs after the first `first`."""

    def plan(self, first: int, epochs: int) -> None:
        """Called before training: the last stage has `epochs` epochs after the first `first`."""
        self._epochs = self.choose_epochs(first, epochs)

    def end_of_epoch(self, epoch: int, steps: int) -> None:  # noqa: ARG002
        """Called after each epoch (from 1), with the optimiser steps done."""
        if epoch in self._epochs:
            self._copies.take()

    def dump(self) -> dict[str, Tensor]:
        """All collected data, as tensors by name, for a checkpoint."""
        return self._copies.dump()

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """The inverse of `dump`."""
        self._copies.load(tensors)


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


CANDIDATES = 10
"""Largest number of candidate epochs, which limits memory and the cost of selection."""


def spaced_epochs(first: int, epochs: int) -> tuple[int, ...]:
    """At most `CANDIDATES` epochs (from 1), evenly spaced over the `epochs` after the first `first`, with the last.

    Example:
        >>> spaced_epochs(2, 3), spaced_epochs(0, 50)
        ((3, 4, 5), (5, 10, 15, 20, 25, 30, 35, 40, 45, 50))
    """
    n = min(epochs, CANDIDATES)
    return tuple(first + (i + 1) * epochs // n for i in range(n))


class EpochCandidates(EpochObserver):
    """The candidate epochs of a prepared method, as copies of its `trainable`."""

    choose_epochs = staticmethod(spaced_epochs)

    def classifiers(self, make: Callable[[], Classifier]) -> Iterator[tuple[str, Classifier]]:
        """Name and classifier of each candidate, the latest epoch first; valid until the next is requested."""
        for index in self._restored_in_turn():
            yield f"epoch {self._epochs[index]}", make()

    @torch.no_grad()
    def keep_best(self, batches: Callable[[], Iterable[Batch]], labels: Sequence[int]) -> int:
        """Restore the epoch with the highest accuracy on these images, on ties the latest.

        `labels` are class indices within the support classes, in the order of `batches`. Returns the epoch, from 1.
        """
        truth = torch.tensor(labels, dtype=torch.long)
        scores = {}
        for index in self._restored_in_turn():
            classify = self.method.classifier(self.method.support_classes)
            scores[index] = logits_accuracy(torch.cat([classify(b).float().cpu() for b in batches()]), truth)
            self.method.tuning.evaluations += 1
        best = max(scores, key=scores.__getitem__)  # on ties the first, which is the latest epoch
        self._restore(best)
        return self._epochs[best]

    def _restored_in_turn(self) -> Iterator[int]:
        """Restore one candidate after another, the latest first; yields its index."""
        for index in reversed(range(len(self._epochs))):
            self._restore(index)
            yield index

    def _restore(self, index: int) -> None:
        self._copies.restore(index)
        self.method.finalise()
