"""BoostAdapter: TDA in which the confident random crops of a test image join the positive cache for this image alone.

Zhang et al., "BoostAdapter: Improving Vision-Language Test-Time Adaptation via Regional Bootstrapping", NeurIPS 2024.
Official files: taolinzhang/BoostAdapter `runner.py` and `utils.py`. Of the plain view and 63 random crops, the tenth
with the lowest entropies is added to the classes that they predict. Such a class then votes with its `size + delta`
entries of lowest entropy instead of `size`, and the crops leave the cache again. Everything else is as in TDA (see
`tda`), with two differences in the official code: the negative cache keeps the newest images, and on ImageNet's
variants the crops, whose mean stands for the image, are not mixed with distorted copies.

Alpha, beta and delta are by default those of the official settings file of the dataset. On ImageNet itself the official
code reads no crops, and is thus not boosted; here it reads them there too. The official class texts differ by dataset,
as those of TDA do, and the official code runs in half precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from datasets_registry import ClassSet
from methods import Family, Method, MethodInfo, Needs, StreamClassifier, register_method
from methods._parts.feature_methods import IMAGENET_SHIFTS, entropy, template_ensemble
from methods.tda import OTHER_DATASETS, PUBLISHED_SETTINGS, CachedStream, EntropyCache, TDAConfig, similarity

DELTAS: Mapping[str, int] = {
    "caltech101": 2,
    "dtd": 0,
    "eurosat": 0,
    "fgvc_aircraft": 2,
    "food101": 3,
    "imagenet_a": 3,
    "imagenet_r": 3,
    "imagenet_sketch": 1,
    "imagenet_v2": 1,
    "oxford_flowers": 0,
    "oxford_pets": 0,
    "stanford_cars": 3,
    "sun397": 1,
    "ucf101": 0,
}
"""Delta by dataset: configs/*.yaml, commit 9983e1a. Alpha and beta there are those of TDA."""
OTHER_DELTA = 3
"""Delta of datasets without a configuration: scripts/run.sh."""


class BoostAdapterConfig(TDAConfig):
    """The settings of TDA, and the crops."""

    delta: int | None = Field(
        None,
        ge=0,
        description="further entries of a class that the image's crops join; null: the official value for the dataset "
        "(0 to 3), else 3 (scripts/run.sh)",
    )
    views: int = Field(63, ge=1, description="random crops beside the plain view; 63 (a batch of 64)")


@register_method
class BoostAdapter(Method[BoostAdapterConfig]):
    """TDA with the image's own crops in the positive cache."""

    info = MethodInfo(
        name="boost_adapter",
        title="BoostAdapter",
        family=Family.TEST_TIME,
        summary="As TDA, and confident random crops of the image itself join the cache of confident images.",
        paper="2410.15430",
        code="taolinzhang/BoostAdapter",
        citation="""@inproceedings{zhang2024boostadapter,
  title = {BoostAdapter: Improving Vision-Language Test-Time Adaptation via Regional Bootstrapping},
  author = {Zhang, Taolin and Wang, Jinpeng and Guo, Hang and Dai, Tao and Chen, Bin and Xia, Shu-Tao},
  booktitle = {NeurIPS},
  year = {2024}
}""",
        config=BoostAdapterConfig,
        open_vocabulary=True,
        needs=frozenset({Needs.FEATURES, Needs.TEST_VIEWS, Needs.TEST_STREAM}),
    )

    def classifier(self, classes: ClassSet) -> StreamClassifier:
        c, name = self.config, classes.dataset or ""
        alpha, beta = PUBLISHED_SETTINGS.get(name, OTHER_DATASETS)
        return _BoostedStream(
            c,
            template_ensemble(self.backbone, classes, c.templates),
            float(c.logit_scale or self.backbone.logit_scale),
            alpha=alpha if c.alpha is None else c.alpha,
            beta=beta if c.beta is None else c.beta,
            views=c.views,
            averaged=name in IMAGENET_SHIFTS,
            delta=DELTAS.get(name, OTHER_DELTA) if c.delta is None else c.delta,
        )


@dataclass(frozen=True)
class _BoostedStream(CachedStream):
    """TDA's stream, with crops that join the positive cache."""

    mixed: ClassVar[bool] = False
    newest: ClassVar[bool] = True

    delta: int

    def positive_votes(self, cache: EntropyCache, feature: Tensor, views: Tensor, logits: Tensor) -> Tensor:
        nats, predicted = entropy(logits.log_softmax(dim=1)), logits.argmax(dim=1)
        labels, votes = torch.unique(predicted), []
        for label in labels.tolist():
            mine, kept = predicted == label, cache.entries.get(label, [])
            places = torch.tensor([place for _, place in kept], dtype=torch.long, device=views.device)
            keys = torch.cat([cache.keys[places], views[mine]])
            entropies = torch.cat([nats.new_tensor([one for one, _ in kept]), nats[mine]])
            best = entropies.argsort(stable=True)[: cache.size + self.delta]
            votes.append(similarity(keys[best], feature, self.beta).sum())
        return cache.similar(feature, self.beta).index_copy(0, labels, torch.stack(votes))
