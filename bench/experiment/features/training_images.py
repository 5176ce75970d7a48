"""The images of one training as batches: each epoch shows one view of every image."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.experiment.features.views import View, views_for_epoch
from datasets_registry import SupportSet, feature_bundle
from methods import Batch, Needs, Recipe, on_device

if TYPE_CHECKING:
    from bench.experiment.features.frozen_features import FeatureStore
    from bench.experiment.features.inputs import Inputs

TOGETHER = 256
"""Images of several epochs that are encoded together where an epoch has fewer."""
REPEATED_BYTES = 64 * 2**20
"""Memory of one training for the features of views that it repeats; further views are looked up in each epoch."""


def epochs_together(epoch: int, epochs: int, n: int) -> range:
    """The epochs whose views of `n` images are encoded together with those of `epoch`.

    The last pass through the tower is padded, so a single small epoch wastes a part of it. The groups do not depend on
    where a training begins, so that all runs form the same ones.

    Example:
        >>> epochs_together(7, epochs=10, n=48), epochs_together(7, epochs=10, n=1600)
        (range(6, 10), range(7, 8))
    """
    size = -(-TOGETHER // n)
    first = epoch - epoch % size
    return range(first, max(min(first + size, epochs), epoch + 1))


class TrainingImages:
    """The support set of one training with the recipe's augmentation.

    It remembers the digests of the images, and the features of views that the recipe repeats, up to `REPEATED_BYTES`.

    Args:
        epochs: number of epochs of the training.

    Attributes:
        view: gives the view of an epoch.
    """

    def __init__(
        self, inputs: Inputs, support: SupportSet, needs: frozenset[Needs], recipe: Recipe, seed: int, epochs: int
    ) -> None:
        self.inputs, self.needs, self.repeated = inputs, needs, recipe.repeats_views
        self.images, self.samples = support.images, support.samples
        self.labels = on_device(torch.tensor([s.label for s in self.samples]), inputs.backbone.device)
        self.view: Callable[[int], View] = partial(views_for_epoch, recipe, seed)
        self._epochs, self._digest = epochs, cache(self.images.digest)
        self._rows: dict[tuple[FeatureStore, str], Tensor] = {}

    def epoch(self, number: int) -> Callable[[Tensor], Batch]:
        """Gives the labelled batch of some samples in an epoch, counted from 0, by their indices `(batch,)`.

        Everything is computed on first use. `Batch.other_view` shows the view of the next epoch: it is as random, and
        is needed anyway.
        """
        view = self.view(number)
        features, other_view = cache(partial(self._features, number)), cache(partial(self._features, number + 1))
        pooled = cache(lambda: self.rows(self.inputs.pooled_store, number))

        def batch(indices: Tensor) -> Batch:
            chosen = [self.samples[i] for i in indices.tolist()]
            rows = on_device(indices, self.inputs.backbone.device)
            return Batch(
                self.labels[rows],
                label_numbers=[sample.label for sample in chosen],
                features=lambda: features()[rows],
                pooled=lambda: pooled()[rows],
                pixels=lambda: self.inputs.pixels(self.images, chosen, view),
                other_view=lambda: other_view()[rows],
                hidden=partial(self.inputs.hidden, self.images, chosen, view, reused=self.repeated),
                needs=self.needs,
            )

        return batch

    def _features(self, epoch: int) -> Tensor:
        """The frozen features of all samples in an epoch, `(n, dim)`."""
        if isinstance(self.images, feature_bundle.FeatureBundle):  # they are read from a file, and not computed
            return self.inputs.features(self.images, self.samples, self.view(epoch))
        return self.rows(self.inputs.feature_store, epoch)

    def rows(self, store: FeatureStore, epoch: int) -> Tensor:
        """Rows of a store for the view of an epoch, `(n, dim)`.

        They are computed for all samples at once, and for later epochs where few samples would not fill the passes, see
        `epochs_together`.
        """
        place = store, self.view(epoch).key
        if place in self._rows:
            return self._rows[place]
        together = [self.view(e) for e in epochs_together(epoch, self._epochs, len(self.samples))]
        views = [self.view(epoch)]
        rows = self.inputs.stored(store, self.images, self.samples, views, together=together, digest=self._digest)[0]
        if self.repeated and sum(other.nbytes for other in self._rows.values()) + rows.nbytes <= REPEATED_BYTES:
            self._rows[place] = rows
        return rows
