"""BoostAdapter: TDA in which the confident random crops of a test image join the positive cache for this image alone.

Zhang et al., "BoostAdapter: Improving Vision-Language Test-Time Adaptation via Regional Bootstrapping", NeurIPS 2024.
Official files: taolinzhang/BoostAdapter `runner.py` and `utils.py`. Of the plain view and 63 random crops, the tenth
with the lowest entropies is added to the classes that they predict. Such a class then votes with its `size + delta`
entries of lowest entropy instead of `size`, and the crops leave the cache again. Everything else is as in TDA (see
`tda`), with two differences in the official code: the negative cache keeps the newest images, and on ImageNet's
variants the crops, whose mean stands for the image, are not mixed with distorted copies.

Alpha, beta, delta and the class texts differ by dataset, as in the official settings files and dataset modules. On
ImageNet itself the official code reads no crops, and is thus not boosted (`views=0`); its script has no run there. Here
it reads them there too. With `size=0` there is no positive cache, and no crop votes either (official: `enabled:
false`). The official code runs in half precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from datasets_registry import ClassSet, EvalProtocol
from methods import MethodInfo, register_method
from methods._parts.feature_methods import IMAGENET_SHIFTS, entropy
from methods.tda import PUBLISHED_BY_DATASET, TDA, EntropyCache, TDAConfig, similarity

_DELTAS: Mapping[str, int] = {
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
"""Delta by dataset: configs/*.yaml, commit 9983e1a. Alpha, beta and the class texts there are those of TDA."""
_PUBLISHED: Mapping[str, Mapping[str, Any]] = {
    name: {**own, **({"delta": _DELTAS[name]} if name in _DELTAS else {})} for name, own in PUBLISHED_BY_DATASET.items()
}


class BoostAdapterConfig(TDAConfig):
    """The settings of TDA, and the crops."""

    delta: int = Field(
        3,
        ge=0,
        description="further entries of a class that the image's crops join; 0 to 3 by dataset, and 3 for others "
        "(scripts/run.sh)",
    )
    views: int = Field(
        63, ge=0, description="random crops beside the plain view; 63 (a batch of 64), officially 0 on ImageNet"
    )


@register_method
class BoostAdapter(TDA[BoostAdapterConfig]):
    """TDA with the image's own crops in the positive cache."""

    mixed = False
    newest = True

    info = MethodInfo(
        name="boost_adapter",
        title="BoostAdapter",
        family="test-time",
        summary="As TDA, and confident random crops of the image itself join the cache of confident images.",
        paper="2410.15430",
        code="taolinzhang/BoostAdapter",
        citation="""@inproceedings{zhang2024boostadapter,
  title = {BoostAdapter: Improving Vision-Language Test-Time Adaptation via Regional Bootstrapping},
  author = {Zhang, Taolin and Wang, Jinpeng and Guo, Hang and Dai, Tao and Chen, Bin and Xia, Shu-Tao},
  booktitle = {NeurIPS},
  year = {2024}
}""",
        version=2,
        config=BoostAdapterConfig,
        config_by_protocol={EvalProtocol.TEST_TIME: {"by_dataset": _PUBLISHED}},
        open_vocabulary=True,
        needs=frozenset({"features", "test_views", "test_stream"}),
    )

    def averages_views(self, classes: ClassSet) -> bool:
        return classes.dataset in IMAGENET_SHIFTS

    def positive_votes(self, cache: EntropyCache, feature: Tensor, views: Tensor, logits: Tensor) -> Tensor:
        if not self.config.views or not cache.size:
            return super().positive_votes(cache, feature, views, logits)
        c = self.config
        nats, predicted = entropy(logits.log_softmax(dim=1)), logits.argmax(dim=1)
        labels, votes = torch.unique(predicted), []
        for label in labels.tolist():
            mine, entries = predicted == label, cache.entries.get(label, [])
            places = torch.tensor([place for _, place in entries], dtype=torch.long, device=views.device)
            keys = torch.cat([cache.keys[places], views[mine]])
            entropies = torch.cat([nats.new_tensor([entry_nats for entry_nats, _ in entries]), nats[mine]])
            best = entropies.argsort(stable=True)[: cache.size + c.delta]
            votes.append(similarity(keys[best], feature, c.beta).sum())
        return cache.similar(feature, c.beta).index_copy(0, labels, torch.stack(votes))
