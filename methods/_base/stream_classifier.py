"""Classifiers of the test-time protocol, which learn from the unlabelled test images that they classify."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from torch import Tensor

from methods._base.batch import Batch


class StreamClassifier(ABC):
    """Classifies a stream of unlabelled images. Each stream starts without memory; batching has no effect.

    A method whose `classifier` returns a StreamClassifier declares `Needs.TEST_STREAM`.
    """

    @abstractmethod
    def over(self, batches: Iterator[Batch]) -> Iterator[Tensor]:
        """Logits `(batch, n_cls)` of each batch, in order. It may read all batches first."""

    def __call__(self, batch: Batch) -> Tensor:
        """Logits `(batch, n_cls)` of a stream that consists of one batch."""
        (logits,) = self.over(iter([batch]))
        return logits
