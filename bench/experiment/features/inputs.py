"""From samples to batches: pixels and frozen features of image views, each computed once and shared by all runs."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from functools import cache, cached_property, lru_cache, partial
from itertools import groupby
from pathlib import Path
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from bench._util.prefetch import parallel_map, prefetch
from bench.context import RunContext
from bench.experiment.accelerator import on_device
from bench.experiment.features.budget import Budget
from bench.experiment.features.feature_blocks import address
from bench.experiment.features.frozen_texts import FrozenTexts
from bench.experiment.features.hidden_states import HiddenStates
from bench.experiment.features.image_features import FeatureStore
from bench.experiment.features.views import CENTER_VIEW, View, render, to_pixels, view_params, views_for_epoch
from datasets_registry import FeatureRows, Images, Sample, SupportSet
from methods import (
    OPENAI_PREPROCESSING,
    Backbone,
    BackboneSpec,
    Batch,
    Needs,
    Passes,
    Precision,
    Preprocessing,
    Recipe,
    SupportView,
    load_backbone,
    parse_backbone,
)

TOGETHER = 256
"""Images of several epochs that are encoded together where an epoch has fewer."""
RENDERED_BYTES = 256 * 2**20
"""Memory for rendered views, in bytes of pixels; the least recently used view is dropped first."""
REPEATED_BYTES = 64 * 2**20
"""Memory of one training for the features of views that it repeats; further views are looked up in each epoch."""


class RenderedViews:
    """Pixels of image views as bytes, in memory up to a limit; safe for any number of threads."""

    def __init__(self, limit: int = RENDERED_BYTES, preprocessing: Preprocessing = OPENAI_PREPROCESSING) -> None:
        self._limit = limit
        self._preprocessing = preprocessing
        self._bytes = 0
        self._lock = Lock()
        self._views: OrderedDict[tuple[str, str, int], NDArray[np.uint8]] = OrderedDict()

    def get(self, images: Images, key: str, view: View, size: int) -> NDArray[np.uint8]:
        """One image under one view, `(size, size, 3)`."""
        (rendered,) = self.get_all(images, key, [view], size)
        return rendered

    def get_all(self, images: Images, key: str, views: Sequence[View], size: int) -> list[NDArray[np.uint8]]:
        """One image under several views, each `(size, size, 3)`; it is loaded at most once."""
        digest = images.digest(key)
        loaded = cache(partial(images.load, key))
        return [self._get(digest, loaded, view, size) for view in views]

    def _get(self, digest: str, loaded: Callable[[], Image.Image], view: View, size: int) -> NDArray[np.uint8]:
        name = (digest, view.key, size)
        with self._lock:
            if name in self._views:
                self._views.move_to_end(name)
                return self._views[name]
        image = loaded()
        rendered = render(image, view_params(digest, view, image.size), size, self._preprocessing)
        with self._lock:
            if name not in self._views:  # another thread may have rendered it meanwhile
                self._views[name] = rendered
                self._bytes += rendered.nbytes
            while self._bytes > self._limit and len(self._views) > 1:
                _, dropped = self._views.popitem(last=False)
                self._bytes -= dropped.nbytes
        return rendered


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

    `hidden` returns the store of hidden states before a block; None stores none of them.
    """

    def __init__(
        self, backbone: Backbone, features: FeatureStore, hidden: Callable[[int], HiddenStates] | None = None
    ) -> None:
        self.backbone = backbone
        self._features = features
        self._hidden = cache(hidden or partial(HiddenStates, backbone))
        self._rendered = RenderedViews(preprocessing=backbone.preprocessing)

    def pixels(self, images: Images, samples: Sequence[Sample], view: View) -> Tensor:
        """Preprocessed pixels `(n, 3, size, size)` on the backbone's device."""
        return self._pixels(images, [(sample, view) for sample in samples])

    def _pixels(self, images: Images, shown: Sequence[tuple[Sample, View]]) -> Tensor:
        """Preprocessed pixels `(n, 3, size, size)`; an image whose views follow each other is loaded once."""
        size = self.backbone.image_size
        grouped = [(key, [view for _, view in some]) for key, some in groupby(shown, lambda pair: pair[0].key)]
        rendered = parallel_map(grouped, lambda g: self._rendered.get_all(images, *g, size), self._decoders)
        stack = np.stack([one for some in rendered for one in some])
        how = self.backbone.preprocessing
        return to_pixels(stack, how.mean, how.std, self.backbone.device)

    @cached_property
    def _decoders(self) -> ThreadPoolExecutor | None:
        """As many threads as torch may use in this process; None for a single thread."""
        threads = torch.get_num_threads()
        return ThreadPoolExecutor(threads, thread_name_prefix="decode") if threads > 1 else None

    def features(self, images: Images, samples: Sequence[Sample], view: View) -> Tensor:
        """Frozen features `(n, dim)`, unnormalised, on the backbone's device."""
        return self.features_of_views(images, samples, [view])[0]

    def features_of_views(self, images: Images, samples: Sequence[Sample], views: Sequence[View]) -> Tensor:
        """Frozen features `(n_views, n, dim)`; imported features are the same for every view."""
        if isinstance(images, FeatureRows):
            rows = torch.from_numpy(images.rows([s.key for s in samples])).to(self.backbone.device)
            return rows.repeat(len(views), 1, 1)
        return self._stored(self._features, images, samples, views)

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
    ) -> Tensor:
        """Rows of a store, `(n_views, n, dim)`. What is missing is computed with the views of `together`.

        All views of an image follow each other, so that it is loaded once.
        """
        wanted = self._addressed(images, [(sample, view) for sample in samples for view in views], memory)
        if together and not store.holds(wanted[0]):
            every = dict.fromkeys([*views, *together])
            store.get(*self._addressed(images, [(sample, view) for sample in samples for view in every], memory))
        rows = store.get(*wanted).view(len(samples), len(views), -1)
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
        the crops of `Batch.test_views`.
        """

        def test_views(chosen: Sequence[Sample], k: int, crop_scale: tuple[float, float]) -> Tensor:
            shown = [views_for_epoch(Recipe(views=k, crop_scale=crop_scale), seed, i) for i in range(k)]
            return self.features_of_views(images, chosen, shown)

        def batch(start: int) -> Batch:
            chosen = samples[start : start + size]
            return Batch(
                None,
                features=partial(self.features, images, chosen, CENTER_VIEW),
                pooled=partial(self.pooled, images, chosen, CENTER_VIEW),
                pixels=partial(self.pixels, images, chosen, CENTER_VIEW),
                hidden=partial(self.hidden, images, chosen, CENTER_VIEW),
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
    return load_inputs(spec, context.device, precision, context.cache_dir, context.cache_limit, context.hidden_bytes)


def backbone_spec(slug: str, weights: Mapping[str, Path]) -> BackboneSpec:
    """The backbone of that slug, from its file if `weights` has one."""
    return parse_backbone(f"{slug.partition('.')[0]}={weights[slug]}" if slug in weights else slug)


@lru_cache(maxsize=2)
def loaded_backbone(spec: BackboneSpec, device: str) -> Backbone:
    """A backbone in this process's memory. The same weights serve every precision; the last two are kept."""
    return load_backbone(spec, device=device)


@lru_cache(maxsize=2)
def load_inputs(
    spec: BackboneSpec, device: str, precision: Precision, cache_dir: Path | None, cache_limit: int, hidden_limit: int
) -> Inputs:
    """Load a backbone and open its stores; the last two are kept in memory."""
    backbone = copy(loaded_backbone(spec, device))
    backbone.precision, backbone.passes = precision, Passes()
    budget = None if cache_dir is None else Budget(cache_dir, cache_limit)
    backbone.text_memory = FrozenTexts(backbone.digest, cache_dir, backbone.arithmetic, budget=budget)
    hidden = partial(HiddenStates, backbone, folder=cache_dir, limit=hidden_limit, budget=budget)
    return Inputs(backbone, FeatureStore(backbone, cache_dir, budget=budget), hidden)
