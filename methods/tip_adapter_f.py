"""Tip-Adapter-F: Tip-Adapter's cache with trained keys.

Zhang et al., ECCV 2022 (see `tip_adapter`). Official file: gaopengcuhk/Tip-Adapter `main.py`, `run_tip_adapter_F`. For
the published numbers, the epoch was chosen on the *test* images, and alpha and beta on the full validation split (for
ImageNet on test). Here the last epoch is kept and the search uses the few validation images. `selection=oracle` chooses
epoch, alpha and beta on test and is labelled so. As in the official configurations, alpha, the searched range and the
epochs depend on the dataset.
"""

from collections.abc import Mapping
from copy import deepcopy

from torch import Tensor

from datasets_registry import ClassSet, EvalProtocol
from methods import Classifier, MethodInfo, Recipe, Sizes, SupportView, TrainableMethod
from methods._base.recipe import PUBLISHED_BY_DATASET
from methods._base.registry import register_method
from methods._parts.cache_model import (
    PUBLISHED_SETTINGS,
    Cache,
    CacheConfig,
    CacheMethod,
    build_cache,
    cache_classifier,
)
from methods._parts.citations import TIP_ADAPTER_PAPER

RECIPE = Recipe(
    name=PUBLISHED_BY_DATASET,
    source="Tip-Adapter main.py and configs: AdamW 1e-3, eps 1e-4, torch's weight decay, 20 epochs (EuroSAT 100)",
    optimizer="adamw",
    lr=1e-3,
    eps=1e-4,
    weight_decay=0.01,
    epochs=20,
    by_dataset={"eurosat": {"epochs": 100}},
    batch_size=256,
    drop_last=False,
    schedule="cosine",
    warmup="none",
    crop_scale=(0.5, 1.0),
)


class TipAdapterFConfig(CacheConfig):
    """Settings of the cache, whose keys are trained."""

    def parameter_count(self, sizes: Sizes) -> int:
        return sizes.shots * sizes.n_classes * sizes.embed_dim


@register_method
class TipAdapterF(CacheMethod, TrainableMethod[CacheConfig]):
    """`scale f t' + alpha exp(-beta (1 - f K')) V` with trained K; alpha and beta are also those of training."""

    trainable: Cache

    info = MethodInfo(
        name="tip_adapter_f",
        title="Tip-Adapter-F",
        family="cache",
        summary="Tip-Adapter with the keys of its cache trained.",
        paper="2111.03930",
        code="gaopengcuhk/Tip-Adapter",
        citation=TIP_ADAPTER_PAPER,
        config=TipAdapterFConfig,
        open_vocabulary=False,
        recipes={EvalProtocol.FEW_SHOT: RECIPE},
        config_by_protocol={EvalProtocol.FEW_SHOT: PUBLISHED_SETTINGS},
    )

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        self.cache = self.trainable = build_cache(self.backbone, support, self.config, learn_keys=True)
        self.epochs: dict[str, Cache] = {}

    def on_epoch_end(self, epoch: int, epochs: int) -> None:
        if self.config.selection == "oracle":
            self.epochs[f"epoch {epoch + 1}"] = deepcopy(self.trainable)

    def training_state(self) -> dict[str, Tensor]:
        return {f"{name}.{key}": v for name, cache in self.epochs.items() for key, v in cache.state_dict().items()}

    def restore_training_state(self, state: dict[str, Tensor]) -> None:
        for name in dict.fromkeys(key.partition(".")[0] for key in state):
            self.epochs[name] = deepcopy(self.trainable)
            self.epochs[name].load_state_dict({k: state[f"{name}.{k}"] for k in self.trainable.state_dict()})

    def train_classifier(self) -> Classifier:
        return cache_classifier(self.trainable)

    def oracle_classifiers(self, classes: ClassSet) -> Mapping[str, Classifier]:
        by_epoch = {name: cache_classifier(cache) for name, cache in self.epochs.items()}
        return by_epoch | dict(super().oracle_classifiers(classes))
