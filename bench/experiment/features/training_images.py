"""The images of one training as batches: each epoch shows one view of every image."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.experiment.features.views import View, views_for_epoch
from datasets_registry import Sample, SupportSet, feature_bundle
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
    """

    def __init__(
        self, inputs: Inputs, support: SupportSet, needs: frozenset[Needs], recipe: Recipe, seed: int, epochs: int
    ) -> None:
        self.inputs, self.needs, self.repeated = inputs, needs, recipe.repeats_views
        self.images, self.samples = support.images, support.samples
        self.labels = on_device(torch.tensor([s.label for s in self.samples]), inputs.backbone.device)
        self._recipe, self._seed, self._epochs = recipe, seed, epochs
        self._digests: dict[str, str] = {}
        self._rows: dict[tuple[FeatureStore, str], Tensor] = {}

    def epoch(self, number: int) -> EpochImages:
        """The images of an epoch, counted from 0."""
        return EpochImages(self, number)

    def view(self, epoch: int) -> View:
        """The view of an epoch."""
        return views_for_epoch(self._recipe, self._seed, epoch)

    def digest(self, key: str) -> str:
        """An image's digest, read once."""
        if key not in self._digests:
            self._digests[key] = self.images.digest(key)
        return self._digests[key]

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
        found = self.inputs.stored(store, self.images, self.samples, views, together=together, digest=self.digest)[0]
        if self.repeated and sum(rows.nbytes for rows in self._rows.values()) + found.nbytes <= REPEATED_BYTES:
            self._rows[place] = found
        return found


class EpochImages:
    """The images of one epoch: called with indices `(batch,)`, it gives their labelled batch.

    Everything is computed on first use. `Batch.other_view` shows the view of the next epoch: it is as random, and is
    needed anyway.
    """

    def __init__(self, training: TrainingImages, epoch: int) -> None:
        self._training, self._epoch = training, epoch
        self._view = training.view(epoch)

    def __call__(self, indices: Tensor) -> Batch:
        """The batch of these samples."""
        training = self._training
        chosen = [training.samples[i] for i in indices.tolist()]
        indices = on_device(indices, training.inputs.backbone.device)
        return Batch(
            training.labels[indices],
            label_numbers=[sample.label for sample in chosen],
            features=lambda: self._features[indices],
            pooled=lambda: self._pooled[indices],
            pixels=lambda: training.inputs.pixels(training.images, chosen, self._view),
            other_view=lambda: self._other_view[indices],
            hidden=partial(self._hidden, chosen),
            needs=training.needs,
        )

    @cached_property
    def _features(self) -> Tensor:
        return self._features_in(self._epoch)

    @cached_property
    def _other_view(self) -> Tensor:
        return self._features_in(self._epoch + 1)

    @cached_property
    def _pooled(self) -> Tensor:
        return self._training.rows(self._training.inputs.pooled_store, self._epoch)

    def _features_in(self, epoch: int) -> Tensor:
        training = self._training
        if isinstance(training.images, feature_bundle.FeatureBundle):  # they are read from a file, and not computed
            return training.inputs.features(training.images, training.samples, training.view(epoch))
        return training.rows(training.inputs.feature_store, epoch)

    def _hidden(self, chosen: Sequence[Sample], first: int) -> Tensor:
        """Tokens before block `first`."""
        training = self._training
        return training.inputs.hidden(training.images, chosen, self._view, first, reused=training.repeated)
