"""From samples to batches: pixels and frozen features of image views, each computed once and shared by all runs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from functools import cache, cached_property, lru_cache, partial
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench._util.prefetch import parallel_map, prefetch
from bench.context import RunContext
from bench.experiment.features.budget import Budget
from bench.experiment.features.feature_blocks import address
from bench.experiment.features.frozen_features import FeatureStore, FrozenTexts
from bench.experiment.features.hidden_states import HiddenStates
from bench.experiment.features.view_pixels import EvaluatedViews, RenderedViews
from bench.experiment.features.views import CENTER_VIEW, View, ViewKind, to_pixels, views_for_epoch
from datasets_registry import FeatureRows, Images, Sample, SupportSet
from methods import (
    Backbone,
    BackboneSpec,
    Batch,
    Needs,
    Passes,
    Precision,
    Recipe,
    SupportView,
    load_backbone,
    on_device,
    parse_backbone,
)

TOGETHER = 256
"""Images of several epochs that are encoded together where an epoch has fewer."""
REPEATED_BYTES = 64 * 2**20
"""Memory of one training for the features of views that it repeats; further views are looked up in each epoch."""


class SupportMemory:
    """What one training remembers of its support set: digests of the images, and features of views that it repeats."""

    def __init__(self, limit: int = REPEATED_BYTES) -> None:
        self._limit = limit
        self._digests: dict[str, str] = {}
        self._features: dict[str, Tensor] = {}

    def digest(self, images: Images, key: str) -> str:
        """An image's digest, read once."""
        if key not in self._digests:
            self._digests[key] = images.digest(key)
        return self._digests[key]

    def features(self, name: str, compute: Callable[[], Tensor]) -> Tensor:
        """The features of that name, computed once if there is room for them."""
        if name in self._features:
            return self._features[name]
        found = compute()
        if sum(value.nbytes for value in self._features.values()) + found.nbytes <= self._limit:
            self._features[name] = found
        return found


class Inputs:
    """What the runs of one backbone share in one process: rendered views, frozen features and hidden states.

    Args:
        hidden: returns the store of hidden states before a block; None stores none of them.
        evaluated: makes the store of evaluated images from the views in memory; None stores none of them on disk.
    """

    def __init__(
        self,
        backbone: Backbone,
        features: FeatureStore,
        hidden: Callable[[int], HiddenStates] | None = None,
        evaluated: Callable[[RenderedViews], EvaluatedViews] = EvaluatedViews,
    ) -> None:
        self.backbone = backbone
        self._features = features
        self._hidden = cache(hidden or partial(HiddenStates, backbone))
        self._rendered = RenderedViews(backbone.image_size, backbone.preprocessing)
        self._evaluated = evaluated(self._rendered)

    def pixels(self, images: Images, samples: Sequence[Sample], view: View) -> Tensor:
        """Preprocessed pixels `(n, 3, size, size)` on the backbone's device."""
        return self._pixels(images, [(sample, view) for sample in samples])

    def evaluated_pixels(self, images: Images, samples: Sequence[Sample]) -> Tensor:
        """Preprocessed pixels of centre views that every run evaluates again; they are stored in the cache folder."""
        addresses = [address(images.digest(sample.key), CENTER_VIEW.key) for sample in samples]
        shown = [(sample, CENTER_VIEW) for sample in samples]
        return self._normalised(
            self._evaluated.get(addresses, lambda some: self._render(images, [shown[i] for i in some]))
        )

    def _pixels(self, images: Images, shown: Sequence[tuple[Sample, View]]) -> Tensor:
        """Preprocessed pixels `(n, 3, size, size)`."""
        return self._normalised(self._render(images, shown))

    def _render(self, images: Images, shown: Sequence[tuple[Sample, View]]) -> list[NDArray[np.uint8]]:
        """Views as bytes, each `(size, size, 3)`; an image whose views follow each other is loaded once."""
        grouped = [(key, [view for _, view in some]) for key, some in groupby(shown, lambda pair: pair[0].key)]
        rendered = parallel_map(grouped, lambda group: self._rendered.get_all(images, *group), self._decoders)
        return [one for some in rendered for one in some]

    def _normalised(self, rendered: Sequence[NDArray[np.uint8]]) -> Tensor:
        how = self.backbone.preprocessing
        return to_pixels(np.stack(rendered), how.mean, how.std, self.backbone.device)

    @cached_property
    def _decoders(self) -> ThreadPoolExecutor | None:
        """As many threads as torch may use in this process; None for a single thread."""
        threads = torch.get_num_threads()
        return ThreadPoolExecutor(threads, thread_name_prefix="decode") if threads > 1 else None

    def features(self, images: Images, samples: Sequence[Sample], view: View) -> Tensor:
        """Frozen features `(n, dim)`, unnormalised, on the backbone's device."""
        return self.features_of_views(images, samples, [view])[0]

    def features_of_views(
        self, images: Images, samples: Sequence[Sample], views: Sequence[View], *, kept: bool = True
    ) -> Tensor:
        """Frozen features `(n_views, n, dim)`; imported features are the same for every view.

        Without `kept` they are freed from memory afterwards: ImageNet's test images have three million views in TPT.
        """
        if isinstance(images, FeatureRows):
            rows = torch.from_numpy(images.rows([s.key for s in samples])).to(self.backbone.device)
            return rows.repeat(len(views), 1, 1)
        return self._stored(self._features, images, samples, views, kept=kept)

    def pooled(self, images: Images, samples: Sequence[Sample], view: View) -> Tensor:
        """Pooled states, which the frozen tower projects to features: `(n, width)`, on the backbone's device."""
        return self._stored(self._pooled, images, samples, [view])[0]

    def hidden(
        self, images: Images, samples: Sequence[Sample], view: View, first: int, *, reused: bool = True
    ) -> Tensor:
        """Tokens before block `first` (from 0) of the frozen image tower, `(n, tokens, width)`, on its device.

        They are stored only if `reused`: if these views will be requested again.
        """
        if first == 0 or not reused:
            return self.backbone.image_hidden(self.pixels(images, samples, view), first)
        return self._hidden(first).get(*self._addressed(images, [(sample, view) for sample in samples]))

    def evaluated_hidden(self, images: Images, samples: Sequence[Sample], first: int) -> Tensor:
        """As `hidden`, for centre views that every run evaluates again."""
        if first == 0:
            return self.backbone.image_hidden(self.evaluated_pixels(images, samples), first)
        addresses, _ = self._addressed(images, [(sample, CENTER_VIEW) for sample in samples])
        return self._hidden(first).get(
            addresses, lambda some: self.evaluated_pixels(images, [samples[i] for i in some])
        )

    @cached_property
    def _pooled(self) -> FeatureStore:
        return self._features.unprojected()

    def _stored(
        self,
        store: FeatureStore,
        images: Images,
        samples: Sequence[Sample],
        views: Sequence[View],
        together: Sequence[View] = (),
        memory: SupportMemory | None = None,
        *,
        kept: bool = True,
    ) -> Tensor:
        """Rows of a store, `(n_views, n, dim)`. What is missing is computed with the views of `together`.

        All views of an image follow each other, so that it is loaded once. Without `kept` the store forgets the rows.
        """
        wanted = self._addressed(images, [(sample, view) for sample in samples for view in views], memory)
        if together and not store.holds(wanted[0]):
            every = dict.fromkeys([*views, *together])
            store.get(*self._addressed(images, [(sample, view) for sample in samples for view in every], memory))
        rows = store.get(*wanted).view(len(samples), len(views), -1)
        if not kept:
            store.forget(wanted[0])
        return on_device(rows.transpose(0, 1).contiguous(), self.backbone.device)

    def _addressed(
        self, images: Images, shown: Sequence[tuple[Sample, View]], memory: SupportMemory | None = None
    ) -> tuple[list[bytes], Callable[[Sequence[int]], Tensor]]:
        """The addresses of views of images, and a function that renders some of them."""
        digest = partial(memory.digest, images) if memory else images.digest
        addresses = [address(digest(sample.key), view.key) for sample, view in shown]
        return addresses, lambda some: self._pixels(images, [shown[i] for i in some])

    def support_view(self, support: SupportSet, *, shots: int, seed: int) -> SupportView:
        """What a method sees of a support set before training; features are computed when it reads them."""
        labels = torch.tensor(support.labels, dtype=torch.long, device=self.backbone.device)
        features = partial(self.features, support.images, support.samples, CENTER_VIEW)

        def views(k: int, crop_scale: tuple[float, float]) -> Tensor:
            cycled = Recipe(views=k, crop_scale=crop_scale)
            shown = [views_for_epoch(cycled, seed, i) for i in range(k)]
            return self.features_of_views(support.images, support.samples, shown)

        return SupportView(support.classes, labels, shots, features, views)

    def epoch_batches(
        self,
        support: SupportSet,
        needs: frozenset[Needs],
        recipe: Recipe,
        seed: int,
        epochs: int,
        epoch: int,
        *,
        memory: SupportMemory | None = None,
    ) -> Callable[[Tensor], Batch]:
        """A function from indices to the labelled batches of one epoch (from 0) with the recipe's augmentation.

        Features are computed for all samples at once, and for later ones of the `epochs` where few samples would not
        fill the passes, see `epochs_together`. `Batch.other_view` shows the view of the next epoch: it is as random,
        and is needed anyway. Hidden states are stored only if a later epoch shows the same view. `memory` is that of
        the training.
        """
        images, samples, reused = support.images, support.samples, recipe.repeats_views
        view = views_for_epoch(recipe, seed, epoch)
        labels = on_device(torch.tensor([s.label for s in samples]), self.backbone.device)

        def rows(store: FeatureStore, epoch: int) -> Tensor:
            if memory is None or not reused:
                return look_up(store, epoch)
            name = f"{'features' if store is self._features else 'pooled'} {views_for_epoch(recipe, seed, epoch).key}"
            return memory.features(name, partial(look_up, store, epoch))

        def look_up(store: FeatureStore, epoch: int) -> Tensor:
            together = [views_for_epoch(recipe, seed, e) for e in epochs_together(epoch, epochs, len(samples))]
            return self._stored(store, images, samples, [views_for_epoch(recipe, seed, epoch)], together, memory)[0]

        def features_in(epoch: int) -> Tensor:
            if isinstance(images, FeatureRows):
                return self.features(images, samples, view)
            return rows(self._features, epoch)

        features, other_view = (cache(partial(features_in, e)) for e in (epoch, epoch + 1))
        pooled = cache(lambda: rows(self._pooled, epoch))
        fill = cache(lambda first: self._hidden(first).fill(*self._addressed(images, [(s, view) for s in samples])))

        def hidden(chosen: Sequence[Sample], first: int) -> Tensor:
            if reused and first:
                fill(first)
            return self.hidden(images, chosen, view, first, reused=reused)

        def batch(indices: Tensor) -> Batch:
            chosen = [samples[i] for i in indices.tolist()]
            indices = on_device(indices, self.backbone.device)
            return Batch(
                labels[indices],
                label_numbers=[sample.label for sample in chosen],
                features=lambda: features()[indices],
                pooled=lambda: pooled()[indices],
                pixels=lambda: self.pixels(images, chosen, view),
                other_view=lambda: other_view()[indices],
                hidden=partial(hidden, chosen),
                needs=needs,
            )

        return batch

    def evaluation_batches(
        self,
        images: Images,
        samples: Sequence[Sample],
        needs: frozenset[Needs],
        size: int,
        *,
        seed: int = 0,
        ahead: bool = True,
    ) -> Iterator[Batch]:
        """Unlabelled centre views in order, `size` per batch.

        With `ahead`, pixels are decoded while earlier batches are scored; otherwise when they are read. `seed` draws
        the views of `Batch.test_views`.
        """

        def test_views(chosen: Sequence[Sample], k: int, crop_scale: tuple[float, float], mixed: bool) -> Tensor:
            kind = ViewKind.AUGMIX if mixed else ViewKind.BILINEAR_CROP
            views = [View(kind, crop_scale, seed, i) for i in range(k)]
            return self.features_of_views(images, chosen, views, kept=False)

        def batch(start: int) -> Batch:
            chosen = samples[start : start + size]
            return Batch(
                None,
                features=partial(self.features, images, chosen, CENTER_VIEW),
                pooled=partial(self.pooled, images, chosen, CENTER_VIEW),
                pixels=partial(self.evaluated_pixels, images, chosen),
                hidden=partial(self.evaluated_hidden, images, chosen),
                test_views=partial(test_views, chosen),
                needs=needs,
            )

        starts = range(0, len(samples), size)
        if ahead and Needs.PIXELS in needs:
            yield from prefetch(starts, lambda start: batch(start).load(Needs.PIXELS))
        else:
            yield from map(batch, starts)


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


def shared_inputs(slug: str, context: RunContext, precision: Precision = Precision.FP32) -> Inputs:
    """The inputs of a backbone, loaded once per process."""
    spec = backbone_spec(slug, context.weights)
    limits = context.cache_limit, context.hidden_bytes, context.pixel_limit
    return load_inputs(spec, context.device, precision, context.cache_dir, *limits)


def backbone_spec(slug: str, weights: Mapping[str, Path]) -> BackboneSpec:
    """The backbone of that slug, from its file if `weights` has one."""
    return parse_backbone(f"{slug.partition('.')[0]}={weights[slug]}" if slug in weights else slug)


@lru_cache(maxsize=2)
def loaded_backbone(spec: BackboneSpec, device: str) -> Backbone:
    """A backbone in this process's memory. The same weights serve every precision; the last two are kept."""
    return load_backbone(spec, device=device)


@lru_cache(maxsize=2)
def load_inputs(
    spec: BackboneSpec,
    device: str,
    precision: Precision,
    cache_dir: Path | None,
    cache_limit: int,
    hidden_limit: int = 0,
    pixel_limit: int = 0,
) -> Inputs:
    """Load a backbone and open its stores; the last two are kept in memory."""
    backbone = copy(loaded_backbone(spec, device))
    backbone.precision, backbone.passes = precision, Passes()
    budget = None if cache_dir is None else Budget(cache_dir, cache_limit)
    backbone.text_memory = FrozenTexts(backbone.digest, cache_dir, backbone.arithmetic, budget=budget)
    hidden = partial(HiddenStates, backbone, folder=cache_dir, limit=hidden_limit, budget=budget)
    evaluated = partial(EvaluatedViews, folder=cache_dir, limit=pixel_limit, budget=budget)
    return Inputs(backbone, FeatureStore(backbone, cache_dir, budget=budget), hidden, evaluated)
