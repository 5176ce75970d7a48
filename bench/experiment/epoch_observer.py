"""Base of the accuracy curve and the candidates of epoch selection, which observe training by epoch."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from methods import Snapshots, TrainableMethod


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
