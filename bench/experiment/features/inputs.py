"""From samples to batches: pixels of a view, frozen features of a view, each made once and shared by all runs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property, partial
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench._util.prefetch import parallel_map, prefetch
from bench.experiment.features.feature_blocks import address
from bench.experiment.features.hidden_states import HiddenStates
from bench.experiment.features.image_features import FeatureStore
from bench.experiment.features.views import CENTER_VIEW, View, render, to_pixels, view_params
from datasets_registry import FeatureRows, Images, Sample
from methods import Backbone, Batch, Needs

RENDERED_BYTES = 256 * 2**20
"""Memory for rendered views, as bytes of pixels; the least recently used go first."""


class RenderedViews:
    """Pixels of image views as bytes, kept while there is room; for any number of threads."""

    def __init__(self, limit: int = RENDERED_BYTES) -> None:
        self._limit = limit
        self._held = 0
        self._turn = Lock()
        self._views: OrderedDict[tuple[str, str, int], NDArray[np.uint8]] = OrderedDict()

    def get(self, images: Images, key: str, view: View, size: int) -> NDArray[np.uint8]:
        """One image under one view, `(size, size, 3)`."""
        digest = images.digest(key)
        place = (digest, view.key, size)
        with self._turn:
            if place in self._views:
                self._views.move_to_end(place)
                return self._views[place]
        image = images.load(key)
        rendered = render(image, view_params(digest, view, image.size), size)
        with self._turn:
            if place not in self._views:  # another thread may have been quicker
                self._views[place] = rendered
                self._held += rendered.nbytes
            while self._held > self._limit and len(self._views) > 1:
                _, dropped = self._views.popitem(last=False)
                self._held -= dropped.nbytes
        return rendered


class Inputs:
    """All that runs of one backbone share in one process: rendered views, frozen features and hidden states.

    Args:
        backbone: the untouched towers.
        features: their store.
        hidden: gives the store of hidden states before a block; None keeps none of them.
    """

    def __init__(
        self, backbone: Backbone, features: FeatureStore, hidden: Callable[[int], HiddenStates] | None = None
    ) -> None:
        self.backbone = backbone
        self._features = features
        self._hidden = cache(hidden or partial(HiddenStates, backbone))
        self._rendered = RenderedViews()

    def pixels(self, images: Images, samples: Sequence[Sample], view: View) -> Tensor:
        """Preprocessed pixels `(n, 3, size, size)` on the backbone's device."""
        size = self.backbone.image_size
        stack = np.stack(parallel_map(samples, lambda s: self._rendered.get(images, s.key, view, size), self._decoders))
        pixels = to_pixels(stack, self.backbone.mean, self.backbone.std)
        if self.backbone.device.type == "cuda":
            return pixels.pin_memory().to(self.backbone.device, non_blocking=True)
        return pixels

    @cached_property
    def _decoders(self) -> ThreadPoolExecutor | None:
        """As many threads as this process may use; None where that is one."""
        threads = torch.get_num_threads()
        return ThreadPoolExecutor(threads, thread_name_prefix="decode") if threads > 1 else None

    def features(self, images: Images, samples: Sequence[Sample], view: View) -> Tensor:
        """Frozen features `(n, dim)`, unnormalised, on the backbone's device; imported ones have one view only."""
        if isinstance(images, FeatureRows):
            return torch.from_numpy(images.rows([s.key for s in samples])).to(self.backbone.device)
        return self._stored(self._features, images, samples, view)

    def pooled(self, images: Images, samples: Sequence[Sample], view: View) -> Tensor:
        """What the frozen tower projects to features, `(n, width)`, on the backbone's device."""
        return self._stored(self._pooled, images, samples, view)

    def hidden(
        self, images: Images, samples: Sequence[Sample], view: View, first: int, *, again: bool = True
    ) -> Tensor:
        """Tokens before block `first` of the frozen image tower, `(n, tokens, width)`, on the backbone's device.

        `again` says that these views are asked for more than once, and so worth keeping.
        """
        if first == 0 or not again:
            return self.backbone.image_hidden(self.pixels(images, samples, view), first)
        return self._hidden(first).get(*self._addressed(images, samples, view))

    @cached_property
    def _pooled(self) -> FeatureStore:
        return self._features.unprojected()

    def _stored(self, store: FeatureStore, images: Images, samples: Sequence[Sample], view: View) -> Tensor:
        return store.get(*self._addressed(images, samples, view)).to(self.backbone.device)

    def _addressed(
        self, images: Images, samples: Sequence[Sample], view: View
    ) -> tuple[list[bytes], Callable[[Sequence[int]], Tensor]]:
        """Where the views are kept, and how to render some of them."""
        addresses = [address(images.digest(s.key), view.key) for s in samples]
        return addresses, lambda some: self.pixels(images, [samples[i] for i in some], view)

    def training_batches(
        self,
        images: Images,
        samples: Sequence[Sample],
        needs: frozenset[Needs],
        view: View,
        other: View,
        *,
        again: bool,
    ) -> Callable[[Tensor], Batch]:
        """A function from indices to labelled batches of one epoch; features of the epoch are fetched at once.

        Args:
            images: where the pixels are.
            samples: the support set.
            needs: what the method declared.
            view: that the epoch shows.
            other: the view behind `Batch.other_view`.
            again: whether a later epoch shows this view as well; only then are its hidden states kept.
        """
        labels = torch.tensor([s.label for s in samples], device=self.backbone.device)
        features = cache(partial(self.features, images, samples, view))
        pooled = cache(partial(self.pooled, images, samples, view))
        other_view = cache(partial(self.features, images, samples, other))
        fill = cache(lambda first: self._hidden(first).fill(*self._addressed(images, samples, view)))

        def hidden(chosen: Sequence[Sample], first: int) -> Tensor:
            if again and first:
                fill(first)
            return self.hidden(images, chosen, view, first, again=again)

        def batch(indices: Tensor) -> Batch:
            chosen = [samples[i] for i in indices.tolist()]
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
        self, images: Images, samples: Sequence[Sample], needs: frozenset[Needs], size: int
    ) -> Iterator[Batch]:
        """Unlabelled centre views in order, `size` at a time; pixels are decoded while earlier batches are scored."""

        def batch(start: int) -> Batch:
            chosen = samples[start : start + size]
            return Batch(
                None,
                features=partial(self.features, images, chosen, CENTER_VIEW),
                pooled=partial(self.pooled, images, chosen, CENTER_VIEW),
                pixels=partial(self.pixels, images, chosen, CENTER_VIEW),
                hidden=partial(self.hidden, images, chosen, CENTER_VIEW),
                needs=needs,
            )

        starts = range(0, len(samples), size)
        if Needs.PIXELS in needs:
            yield from prefetch(starts, lambda start: batch(start).load(Needs.PIXELS))
        else:
            yield from map(batch, starts)
