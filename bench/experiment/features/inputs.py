"""From samples to batches: pixels and frozen features of image views, each computed once and shared by all runs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import replace
from fractions import Fraction
from functools import cached_property, lru_cache, partial
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench._util.prefetch import parallel_map, prefetch
from bench.context import RunContext
from bench.experiment.features.cache_folder import Budget
from bench.experiment.features.feature_blocks import address
from bench.experiment.features.frozen_features import FeatureStore, FrozenTexts, encode_padded, images_per_pass
from bench.experiment.features.view_pixels import EvaluatedViews, RenderedViews
from bench.experiment.features.views import CENTER_VIEW, View, ViewKind, to_pixels, views_for_epoch
from bench.experiment.run_cost import UNKNOWN, charge
from datasets_registry import Images, Sample, SupportSet, UnlabelledImages, feature_bundle
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


class Inputs:
    """What the runs of one backbone share in one process: rendered views and frozen features.

    Args:
        evaluated: makes the store of evaluated images from the views in memory; None stores none of them on disk.
    """

    def __init__(
        self,
        backbone: Backbone,
        features: FeatureStore,
        evaluated: Callable[[RenderedViews], EvaluatedViews] = EvaluatedViews,
    ) -> None:
        self.backbone = backbone
        self.feature_store = features
        self._rendered = RenderedViews(backbone.image_size, backbone.preprocessing)
        self._evaluated = evaluated(self._rendered)

    def pixels(self, images: Images, samples: Sequence[Sample], view: View) -> Tensor:
        """Preprocessed pixels `(n, 3, size, size)` on the backbone's device."""
        return self._normalised(self._render(images, [(sample, view) for sample in samples]))

    def evaluated_pixels(self, images: Images, samples: Sequence[Sample]) -> Tensor:
        """Preprocessed pixels of centre views that every run evaluates again; they are stored in the cache folder."""
        addresses = [address(images.digest(sample.key), CENTER_VIEW.key) for sample in samples]
        views_of_samples = [(sample, CENTER_VIEW) for sample in samples]
        return self._normalised(
            self._evaluated.get(addresses, lambda some: self._render(images, [views_of_samples[i] for i in some]))
        )

    def _render(self, images: Images, pairs: Sequence[tuple[Sample, View]]) -> list[NDArray[np.uint8]]:
        """Views as bytes, each `(size, size, 3)`; an image whose views follow each other is loaded once."""
        grouped = [(key, [view for _, view in some]) for key, some in groupby(pairs, lambda pair: pair[0].key)]
        rendered = parallel_map(grouped, lambda group: self._rendered.get_all(images, *group), self._decoders)
        return [view for some in rendered for view in some]

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
        """Frozen features `(n_views, n, dim)`; those of a file are read from it.

        Without `kept` they are freed from memory afterwards: ImageNet's test images have three million views in TPT.
        """
        if isinstance(images, feature_bundle.FeatureBundle):
            imported = dict.fromkeys((address(s.key, "") for s in samples), UNKNOWN)
            charge("imported", imported, images=UNKNOWN, texts=UNKNOWN)
            keys = [sample.key for sample in samples]
            rows = torch.from_numpy(np.stack([images.rows(keys, view.key) for view in views]))
            return rows.to(self.backbone.device)
        return self.stored(self.feature_store, images, samples, views, kept=kept)

    def pooled(self, images: Images, samples: Sequence[Sample], view: View) -> Tensor:
        """Pooled states, which the frozen tower projects to features: `(n, width)`, on the backbone's device."""
        return self.stored(self.pooled_store, images, samples, [view])[0]

    def hidden(
        self, images: Images, samples: Sequence[Sample], view: View, first: int, *, reused: bool = True
    ) -> Tensor:
        """Tokens before block `first` (from 0) of the frozen image tower, `(n, tokens, width)`, on its device.

        If these views are requested again (`reused`), their bits are the same in every batch.
        """
        return self._hidden(self.pixels(images, samples, view), first, reused=reused)

    def evaluated_hidden(self, images: Images, samples: Sequence[Sample], first: int) -> Tensor:
        """As `hidden`, for centre views that every run evaluates again."""
        return self._hidden(self.evaluated_pixels(images, samples), first, reused=True)

    def _hidden(self, pixels: Tensor, first: int, *, reused: bool) -> Tensor:
        if first == 0 or not reused:
            return self.backbone.image_hidden(pixels, first)
        # in passes of the size of frozen features, which decides their last bits
        size, share = images_per_pass(self.backbone), Fraction(first, self.backbone.vision_depth)
        blocks = partial(self.backbone.image_hidden, first=first)
        passes = [encode_padded(self.backbone, part, blocks, share, size) for part in torch.split(pixels, size)]
        return torch.cat(passes)

    @cached_property
    def pooled_store(self) -> FeatureStore:
        """The store of pooled states."""
        return self.feature_store.unprojected()

    def stored(
        self,
        store: FeatureStore,
        images: Images,
        samples: Sequence[Sample],
        views: Sequence[View],
        *,
        together: Sequence[View] = (),
        digest: Callable[[str], str] | None = None,
        kept: bool = True,
    ) -> Tensor:
        """Rows of a store, `(n_views, n, dim)`. What is missing is computed with the views of `together`.

        All views of an image follow each other, so that it is loaded once. Without `kept` the store forgets the rows.
        `digest` gives the digest of an image by its key; None asks the images.
        """
        addressed = self._addressed(images, [(sample, view) for sample in samples for view in views], digest)
        if together and not store.holds(addressed[0]):
            all_views = dict.fromkeys([*views, *together])
            store.fill(*self._addressed(images, [(sample, view) for sample in samples for view in all_views], digest))
        rows = store.get(*addressed).view(len(samples), len(views), -1)
        if not kept:
            store.forget(addressed[0])
        return on_device(rows.transpose(0, 1).contiguous(), self.backbone.device)

    def _addressed(
        self, images: Images, pairs: Sequence[tuple[Sample, View]], digest: Callable[[str], str] | None = None
    ) -> tuple[list[bytes], Callable[[Sequence[int]], Tensor]]:
        """The addresses of views of images, and a function that renders some of them."""
        digest = digest or images.digest
        addresses = [address(digest(sample.key), view.key) for sample, view in pairs]
        return addresses, lambda some: self._normalised(self._render(images, [pairs[i] for i in some]))

    def support_view(
        self, support: SupportSet, *, shots: int, seed: int, pool: UnlabelledImages | None = None
    ) -> SupportView:
        """What a method sees of a support set and a pool before training; features are computed when it reads them."""
        labels = torch.tensor(support.labels, dtype=torch.long, device=self.backbone.device)
        features = partial(self.features, support.images, support.samples, CENTER_VIEW)

        def views(k: int, crop_scale: tuple[float, float]) -> Tensor:
            cycled = Recipe(views=k, crop_scale=crop_scale)
            epoch_views = [views_for_epoch(cycled, seed, i) for i in range(k)]
            return self.features_of_views(support.images, support.samples, epoch_views)

        view = SupportView(support.classes, labels, shots, features, views)
        if pool is None:
            return view
        unlabelled = partial(self.features, pool.images, [Sample(key, -1) for key in pool.keys], CENTER_VIEW)
        return replace(view, unlabelled=unlabelled)

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
        if ahead and "pixels" in needs:
            yield from prefetch(starts, lambda start: batch(start).load("pixels"))
        else:
            yield from map(batch, starts)


def shared_inputs(slug: str, context: RunContext, precision: Precision = Precision.FP32) -> Inputs:
    """The inputs of a backbone, loaded once per process."""
    spec = backbone_spec(slug, context.weights)
    limits = context.cache_limit, context.pixel_limit
    return load_inputs(spec, context.device, precision, context.cache_dir, *limits, threads=torch.get_num_threads())


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
    pixel_limit: int = 0,
    threads: int = 0,
) -> Inputs:
    """Load a backbone and open its stores; the last two are kept in memory.

    `threads` are torch's. They change the last bits of features, so they have stores of their own.
    """
    del threads  # part of the key in memory; on disk, of `Backbone.arithmetic`
    backbone = copy(loaded_backbone(spec, device))
    backbone.precision, backbone.passes = precision, Passes()
    budget = None if cache_dir is None else Budget(cache_dir, cache_limit)
    backbone.text_memory = FrozenTexts(backbone.digest, cache_dir, backbone.arithmetic, budget=budget)
    evaluated = partial(EvaluatedViews, folder=cache_dir, limit=pixel_limit, budget=budget)
    return Inputs(backbone, FeatureStore(backbone, cache_dir, budget=budget), evaluated)
