"""Tip-Adapter: the few images as a key-value cache beside the zero-shot classifier, without training.

Zhang et al., "Tip-Adapter: Training-free Adaption of CLIP for Few-shot Classification", ECCV 2022 (arXiv 2207.09519).
Official file: gaopengcuhk/Tip-Adapter `main.py`. The published alpha and beta were searched on the full validation
split, in ranges set by hand for each dataset, and for ImageNet on the test images. Here the default searches one range
on the few validation images; `selection=fixed` takes the values as they are, `selection=oracle` chooses on test.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from datasets_registry import ClassSet
from methods._base.batch import Classifier, SupportView
from methods._base.info import Family, MethodInfo, Needs
from methods._base.method import Method, require_known_classes
from methods._base.probability_ensemble import ProbabilityEnsemble
from methods._base.registry import register_method
from methods._parts.cache_model import CacheConfig, build_cache, cache_classifier, coarse_grid


class TipAdapterConfig(CacheConfig):
    """Settings of the cache."""


@register_method
class TipAdapter(Method[TipAdapterConfig]):
    """`scale f t' + alpha exp(-beta (1 - f K')) V`."""

    info: ClassVar[MethodInfo] = MethodInfo(
        name="tip_adapter",
        title="Tip-Adapter",
        family=Family.CACHE,
        summary="A key-value cache of the few images beside the zero-shot classifier, without training.",
        citation="""@inproceedings{zhang2022tip,
  title = {Tip-Adapter: Training-free Adaption of CLIP for Few-shot Classification},
  author = {Zhang, Renrui and Zhang, Wei and Fang, Rongyao and others},
  booktitle = {ECCV},
  year = {2022}
}""",
        config=TipAdapterConfig,
        needs=frozenset({Needs.FEATURES}),
        open_vocabulary=False,
    )

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        self.cache = build_cache(self.backbone, support, self.config, learn_keys=False)

    def calibrate(self, validation: SupportView) -> None:
        if self.config.selection == "validation":
            self.tuning.evaluations += self.cache.search(validation.features(), validation.labels, self.config)

    def classifier(self, classes: ClassSet) -> Classifier:
        require_known_classes("tip_adapter", self.support_classes, classes)
        if self.config.selection == "ensemble":
            return ProbabilityEnsemble(coarse_grid(self.cache, self.config).values())
        return cache_classifier(self.cache)

    def oracle_classifiers(self, classes: ClassSet) -> Mapping[str, Classifier]:
        if self.config.selection != "oracle":
            return {}
        require_known_classes("tip_adapter", self.support_classes, classes)
        return coarse_grid(self.cache, self.config)
