"""What follows a training epoch by epoch: the accuracy curve and the candidates of epoch selection."""

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor


class EpochObserver(Protocol):
    """Collects something at the ends of epochs, such as copies of what is learned."""

    def plan(self, first: int, epochs: int) -> None:
        """Called before training: the last stage has `epochs` epochs after the first `first`."""

    def end_of_epoch(self, epoch: int, steps: int) -> None:
        """Called after each epoch (from 1), with the optimiser steps done."""

    def dump(self) -> dict[str, Tensor]:
        """Everything collected so far, as tensors by name."""

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """The inverse of `dump`."""
