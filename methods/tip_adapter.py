"""Tip-Adapter: the support images as a key-value cache beside the zero-shot classifier, without training.

Zhang et al., "Tip-Adapter: Training-free Adaption of CLIP for Few-shot Classification", ECCV 2022 (arXiv 2207.09519).
Official file: gaopengcuhk/Tip-Adapter `main.py`. The published alpha and beta were searched on the full validation
split, in ranges set by hand for each dataset, and for ImageNet on the test images. Here the default searches the
official range of the dataset on the few validation images. `selection=fixed` uses the settings alpha and beta,
`selection=oracle` chooses on test.
"""

from datasets_registry import EvalProtocol
from methods import MethodInfo, SupportView, register_method
from methods._parts.cache_model import PUBLISHED_SETTINGS, CacheConfig, CacheMethod, build_cache
from methods._parts.citations import TIP_ADAPTER_PAPER


@register_method
class TipAdapter(CacheMethod):
    """`scale f t' + alpha exp(-beta (1 - f K')) V`."""

    info = MethodInfo(
        name="tip_adapter",
        title="Tip-Adapter",
        family="cache",
        summary="A key-value cache of the support images beside the zero-shot classifier, without training.",
        paper="2111.03930",
        code="gaopengcuhk/Tip-Adapter",
        citation=TIP_ADAPTER_PAPER,
        config=CacheConfig,
        open_vocabulary=False,
        config_by_protocol=dict.fromkeys(
            (EvalProtocol.FEW_SHOT, EvalProtocol.DOMAIN_GENERALIZATION), PUBLISHED_SETTINGS
        ),
    )

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        self.cache = build_cache(self.backbone, support, self.config, learn_keys=False)
