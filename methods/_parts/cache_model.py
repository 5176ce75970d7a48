"""Tip-Adapter's key-value cache of the support features, its settings, and the search for alpha and beta."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from datasets_registry import ClassSet
from methods._backbones.backbone import Backbone
from methods._base.batch import Classifier, SupportView
from methods._parts.feature_methods import (
    SELECT7_ON_IMAGENET,
    GridSearchMethod,
    LogitScaleSetting,
    TextConfig,
    correct_by_weight,
    first_best,
    template_ensemble,
)

COARSE_STEPS = (10, 10)
"""Values of beta and alpha for the oracle and the ensemble: a subset of the 200 x 20 of the search, to save time."""


PUBLISHED_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "by_dataset": {
        "caltech101": {"alpha": 3.0, "search_scale": (12.0, 5.0)},
        "dtd": {"alpha": 2.0, "search_scale": (13.0, 13.0)},
        "eurosat": {"alpha": 2.0},
        "fgvc_aircraft": {"alpha": 5.0, "search_scale": (30.0, 30.0)},
        "food101": {"search_scale": (10.0, 10.0)},
        "imagenet": {"search_scale": (7.0, 3.0), **SELECT7_ON_IMAGENET["imagenet"]},
        "oxford_flowers": {"alpha": 10.0, "search_scale": (50.0, 50.0)},
        "oxford_pets": {"search_scale": (7.0, 3.0)},
        "stanford_cars": {"alpha": 3.0, "search_scale": (20.0, 10.0)},
        "ucf101": {"alpha": 3.0, "search_scale": (7.0, 3.0)},
    }
}
"""What differs from the defaults, which are those of SUN397: Tip-Adapter's configs/*.yaml, commit d0e2d6f."""


class CacheConfig(TextConfig):
    """Settings of the cache."""

    alpha: float = Field(1.17, ge=0, description="weight of the cache; init_alpha of the dataset, 1.17 for SUN397")
    beta: float = Field(1.0, gt=0, description="sharpness of the cache; 1 in all configs")
    selection: Literal["validation", "fixed", "ensemble", "oracle"] = Field(
        "validation",
        description="alpha and beta: searched on the few validation images, as they are, a coarse grid averaged, or "
        "best on test (a labelled oracle); the published numbers searched the full validation split, for ImageNet the "
        "test split",
    )
    search_scale: tuple[float, float] = Field(
        (12.0, 10.0),
        description="largest beta and alpha searched; set by hand for each dataset, 12 and 10 for SUN397",
    )
    search_step: tuple[int, int] = Field((200, 20), description="values of beta and alpha searched; all configs")
    augment_epochs: int = Field(10, ge=1, description="augmented views averaged into a key; 10 in all configs")
    crop_scale: tuple[float, float] = Field((0.5, 1.0), description="area range of their crops; official transform")
    logit_scale: LogitScaleSetting = None


def support_keys(support: SupportView, views: int, crop_scale: tuple[float, float]) -> Float[Tensor, "n dim"]:
    """Each image's mean unnormalised feature over augmented views, normalised."""
    return F.normalize(support.views(views, crop_scale).mean(dim=0), dim=-1)


class Cache(nn.Module):
    """`scale f t' + alpha exp(-beta (1 - f K')) V` with normalised image features f and class texts t.

    Args:
        keys: K, one per support image.
        labels: classes of the support images; V is their one-hot form.
        text: t, normalised.
        learn_keys: whether K is a parameter; trained keys are not normalised again.
    """

    keys: Tensor
    values: Tensor
    text: Tensor
    alpha: Tensor
    beta: Tensor

    def __init__(
        self,
        keys: Float[Tensor, "n dim"],
        labels: Int[Tensor, " n"],
        text: Float[Tensor, "n_cls dim"],
        *,
        alpha: float,
        beta: float,
        scale: float,
        learn_keys: bool,
    ) -> None:
        super().__init__()
        if learn_keys:
            self.keys = nn.Parameter(keys.clone())
        else:
            self.register_buffer("keys", keys)
        self.register_buffer("values", F.one_hot(labels, len(text)).to(keys.dtype))
        self.register_buffer("text", text)
        self.register_buffer("alpha", torch.tensor(alpha))
        self.register_buffer("beta", torch.tensor(beta))
        self.scale = scale

    def forward(
        self, features: Float[Tensor, "batch dim"], alpha: float | None = None, beta: float | None = None
    ) -> Float[Tensor, "batch n_cls"]:
        """Logits of unnormalised image features, with the cache's own alpha and beta unless others are given."""
        image = F.normalize(features, dim=-1)
        cached = self.cache_logits(image @ self.keys.T, self.beta if beta is None else beta)
        return self.scale * image @ self.text.T + (self.alpha if alpha is None else alpha) * cached

    def cache_logits(self, affinity: Float[Tensor, "batch n"], beta: Tensor | float) -> Float[Tensor, "batch n_cls"]:
        """Logits of the cache, given the cosines of images with its keys."""
        return torch.exp(-beta * (1 - affinity)) @ self.values

    @torch.no_grad()
    def search_alpha_and_beta(self, images: Float[Tensor, "n dim"], labels: Int[Tensor, " n"], c: CacheConfig) -> int:
        """Set alpha and beta to the first pair with the highest accuracy, beta slowest; returns the pairs tried."""
        image = F.normalize(images, dim=-1)
        zero_shot, affinity = self.scale * image @ self.text.T, image @ self.keys.T
        betas, alphas = (list(search_values(*values)) for values in zip(c.search_scale, c.search_step, strict=True))
        caches = (self.cache_logits(affinity, beta) for beta in betas)
        best = first_best([correct_by_weight(zero_shot, cached, alphas, labels) for cached in caches])
        self.beta.fill_(betas[best // len(alphas)])
        self.alpha.fill_(alphas[best % len(alphas)])
        return len(betas) * len(alphas)


def build_cache(backbone: Backbone, support: SupportView, config: CacheConfig, *, learn_keys: bool) -> Cache:
    """The cache of a support set, on the backbone's device."""
    text = template_ensemble(backbone, support.classes, config.templates)
    keys = support_keys(support, config.augment_epochs, config.crop_scale)
    scale = config.logit_scale or backbone.logit_scale
    cache = Cache(keys, support.labels, text, alpha=config.alpha, beta=config.beta, scale=scale, learn_keys=learn_keys)
    return cache.to(backbone.device)


def search_values(largest: float, steps: int) -> Iterator[float]:
    """The official search values: `steps` of them from 0.1, without the largest."""
    for i in range(steps):
        yield i * (largest - 0.1) / steps + 0.1


def cache_classifier(cache: Cache, alpha: float | None = None, beta: float | None = None) -> Classifier:
    """The cache as a classifier, with its own alpha and beta unless others are given."""
    return lambda batch: cache(batch.features, alpha, beta)


class CacheMethod(GridSearchMethod[CacheConfig]):
    """Base of Tip-Adapter and Tip-Adapter-F, which differ in whether the keys are trained."""

    cache: Cache
    """The cache of the support set; exists after `prepare`."""

    def calibrate(self, validation: SupportView) -> None:
        if self.config.selection == "validation":
            features, labels = validation.features(), validation.labels
            self.tuning.evaluations += self.cache.search_alpha_and_beta(features, labels, self.config)

    def tuned_state(self) -> dict[str, Tensor]:
        """Keys, their labels, alpha and beta. Class texts are not stored."""
        cache = self.cache
        return {"keys": cache.keys, "labels": cache.values.argmax(dim=1), "alpha": cache.alpha, "beta": cache.beta}

    def restore_tuned_state(self, classes: ClassSet, state: dict[str, Tensor]) -> None:
        def views(*_: object) -> Tensor:
            return state["keys"][None]

        self.prepare(SupportView(classes, state["labels"], 1, lambda: state["keys"], views))
        stored = {name: state[name] for name in ("keys", "alpha", "beta")}
        self.cache.load_state_dict(self.cache.state_dict() | stored)

    def selected(self, classes: ClassSet) -> Classifier:  # noqa: ARG002
        return cache_classifier(self.cache)

    def candidates(self, classes: ClassSet) -> dict[str, Classifier]:  # noqa: ARG002
        """A classifier for each pair of a coarse grid over the searched range."""
        return {
            f"alpha {alpha:.2f}, beta {beta:.2f}": cache_classifier(self.cache, alpha, beta)
            for beta in search_values(self.config.search_scale[0], COARSE_STEPS[0])
            for alpha in search_values(self.config.search_scale[1], COARSE_STEPS[1])
        }
