"""The epoch as a choice: copies of what a method learns at the ends of a few epochs, one of which is kept.

Chosen on the few validation images, one copy answers for all splits; an oracle chooses split by split with test labels.
Of equal copies the latest is kept. A method that trains in stages is complete only in its last one, so that earlier
ones have no candidates. Each candidate is judged as it would be scored: behind the method's own `finalise`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch

from methods import Batch, Classifier, Snapshots, TrainableMethod, logits_accuracy

CANDIDATES = 10
"""Most epochs that are considered, which bounds memory and the passes of choosing."""


def spaced_epochs(first: int, epochs: int) -> tuple[int, ...]:
    """At most `CANDIDATES` epochs (from 1), evenly spaced over those behind the first `first`, the last among them."""
    n = min(epochs, CANDIDATES)
    return tuple(first + (i + 1) * epochs // n for i in range(n))


class EpochCandidates:
    """The candidates of one training.

    Args:
        method: prepared; `trainable` is copied from it and put back into it.
    """

    def __init__(self, method: TrainableMethod[Any]) -> None:
        self.method = method
        self.copies = Snapshots(method.trainable)
        self._epochs: tuple[int, ...] = ()

    def plan(self, first: int, epochs: int) -> None:
        """Say where the last stage begins and how long it is."""
        self._epochs = spaced_epochs(first, epochs)

    def end_of_epoch(self, epoch: int) -> None:
        """Take a copy if this epoch (from 1) is a candidate."""
        if epoch in self._epochs:
            self.copies.take()

    def classifiers(self, make: Callable[[], Classifier]) -> Iterator[tuple[str, Classifier]]:
        """Name and classifier of each candidate, the latest epoch first; one holds until the next is asked for."""
        for epoch, _ in self._put_back():
            yield f"epoch {epoch}", make()

    @torch.no_grad()
    def keep_best(self, batches: Callable[[], Iterable[Batch]], labels: torch.Tensor) -> int:
        """Leave the method at the epoch with the highest accuracy on these images, of equals the latest.

        Args:
            batches: gives the images in order, without labels.
            labels: their class indices `(n,)` within the support classes.

        Returns:
            The number of the epoch, from 1.
        """
        scores = {}
        for epoch, index in self._put_back():
            classify = self.method.classifier(self.method.support_classes)
            scores[index] = (
                logits_accuracy(torch.cat([classify(b).float().cpu() for b in batches()]), labels.cpu()),
                epoch,
            )
            self.method.tuning.evaluations += 1
        best = max(scores, key=lambda index: scores[index])
        self._put_back_one(best)
        return self._epochs[best]

    def _put_back(self) -> Iterator[tuple[int, int]]:
        for index in reversed(range(len(self._epochs))):
            self._put_back_one(index)
            yield self._epochs[index], index

    def _put_back_one(self, index: int) -> None:
        self.copies.restore(index)
        self.method.finalise()
