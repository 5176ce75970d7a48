"""Candidates of epoch selection: copies of what a method learns, taken during its training."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from methods import Batch, Classifier, Snapshots, TrainableMethod, logits_accuracy

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


class EpochCandidates:
    """The candidate epochs of a prepared method: copies of its `trainable` at the ends of epochs of its last stage."""

    def __init__(self, method: TrainableMethod[Any]) -> None:
        self.method = method
        self._copies = Snapshots(method.trainable)
        self._epochs: tuple[int, ...] = ()

    def plan(self, first: int, epochs: int) -> None:
        """Called before training: the last stage has `epochs` epochs after the first `first`."""
        self._epochs = spaced_epochs(first, epochs)

    def end_of_epoch(self, epoch: int) -> None:
        """Called after each epoch (from 1)."""
        if epoch in self._epochs:
            self._copies.take()

    def dump(self) -> dict[str, Tensor]:
        """The copies, as tensors by name, for a checkpoint."""
        return self._copies.dump()

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """The inverse of `dump`."""
        self._copies.load(tensors)

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
