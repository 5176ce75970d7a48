"""APE: Tip-Adapter's cache on the most discriminative feature channels, with keys weighted by their divergence.

Zhu et al., "Not All Features Matter: Enhancing Few-shot CLIP with Adaptive Prior Refinement", ICCV 2023. Official
files: yangyangyang127/APE `main.py`, `utils.py`. There is no training:

    logits = scale f t' + alpha exp(-beta (1 - f~ K~')) (V exp(gamma d))

~ keeps the channels with the largest -w1 s + w2 v and normalises again. s is a channel's mean product over all pairs of
vectors of different classes (keys and text), and v is its variance over the class texts. d is the KL divergence, base
2, of a key's label from its softmax over the refined texts. The official texts are LLM sentences; here they are the
templates. For the published numbers, alpha, beta and gamma were searched on the full validation split (for ImageNet on
test). Here the official range of the dataset is searched on the few validation images. The trained APE-T is left out.
"""

from collections.abc import Mapping
from itertools import product
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from datasets_registry import ClassSet, EvalProtocol
from methods import Batch, Classifier, MethodInfo, SupportView, register_method
from methods._parts.cache_model import search_values, support_keys
from methods._parts.feature_methods import (
    SELECT7_ON_IMAGENET,
    GridSearchMethod,
    LogitScaleSetting,
    TextConfig,
    correct_by_weight,
    first_best,
    template_ensemble,
)

COARSE_STEPS = (5, 5, 3)
"""Values of beta, alpha and gamma for the oracle and the ensemble. The official grid of 200 x 20 x 20 would take
longer."""


def _published(
    alpha: float, channels: int, w1: float, largest: tuple[float, float, float] = (7.0, 7.0, 1.0)
) -> dict[str, Any]:
    """Settings of a dataset; the second weight is 1 - `w1` in all configs."""
    weights = (w1, round(1 - w1, 1))
    searched = {"search_scale": largest, "search_step": (200, 20, 20)}
    return {"alpha": alpha, "channels": channels / 1024, "weights": weights, **searched}


PUBLISHED_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "by_dataset": {
        **SELECT7_ON_IMAGENET,
        "caltech101": _published(1.0, 800, 0.5),
        "dtd": _published(3.0, 400, 0.5),
        "eurosat": _published(1.0, 700, 0.9, (30.0, 5.0, 1.5)),
        "fgvc_aircraft": _published(5.0, 800, 0.1, (20.0, 10.0, 1.0)),
        "food101": _published(0.8, 700, 0.3),
        "oxford_flowers": _published(3.0, 700, 0.4),
        "oxford_pets": _published(2.0, 800, 0.7),
        "stanford_cars": _published(1.0, 500, 0.6, (10.0, 7.0, 1.0)),
        "sun397": _published(1.0, 800, 0.7, (10.0, 7.0, 1.0)),
        "ucf101": _published(2.0, 700, 0.3, (10.0, 7.0, 1.5)),
    }
}
"""What differs from ImageNet's values, which are the defaults: APE's configs/*.yaml, commit 70460de."""


class APEConfig(TextConfig):
    """Settings of the refined cache; the defaults are ImageNet's."""

    alpha: float = Field(2.0, ge=0, description="weight of the cache; init_alpha 2, imagenet.yaml")
    beta: float = Field(1.0, gt=0, description="sharpness of the cache; init_beta 1, all configs")
    gamma: float = Field(0.1, ge=0, description="how much a key's divergence counts; init_gamma 0.1, all configs")
    selection: Literal["validation", "fixed", "ensemble", "oracle"] = Field(
        "validation",
        description="the three: searched on the few validation images, as they are, all of a coarse grid averaged, or "
        "best on test",
    )
    search_scale: tuple[float, float, float] = Field(
        (7.0, 7.0, 0.5), description="largest beta, alpha and gamma searched; set by hand for each dataset"
    )
    search_step: tuple[int, int, int] = Field(
        (200, 20, 5), description="values searched of each; imagenet.yaml, 20 of gamma in all other configs"
    )
    channels: float = Field(
        500 / 1024, gt=0, le=1, description="share of channels kept; training_free_feat_num of RN50's 1024"
    )
    weights: tuple[float, float] = Field((0.7, 0.3), description="w1, w2 of the criterion; w_training_free")
    augment_epochs: int = Field(10, ge=1, description="augmented views averaged into a key; 10 in all configs")
    crop_scale: tuple[float, float] = Field((0.5, 1.0), description="area range of their crops; official transform")
    logit_scale: LogitScaleSetting = None


@register_method
class APE(GridSearchMethod[APEConfig]):
    """`scale f t' + alpha exp(-beta (1 - f~ K~')) (V exp(gamma d))`."""

    info = MethodInfo(
        name="ape",
        title="APE",
        family="cache",
        summary="A cache on the most discriminative channels, its keys weighted by their divergence; without training.",
        paper="2304.01195",
        code="yangyangyang127/APE",
        uses=("outside texts",),
        citation="""@inproceedings{zhu2023ape,
  title = {Not All Features Matter: Enhancing Few-shot CLIP with Adaptive Prior Refinement},
  author = {Zhu, Xiangyang and Zhang, Renrui and He, Bowei and others},
  booktitle = {ICCV},
  year = {2023}
}""",
        config=APEConfig,
        open_vocabulary=False,
        config_by_protocol=dict.fromkeys(
            (EvalProtocol.FEW_SHOT, EvalProtocol.DOMAIN_GENERALIZATION), PUBLISHED_SETTINGS
        ),
    )

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        c = self.config
        self.scale = c.logit_scale or self.backbone.logit_scale
        self.chosen = (c.beta, c.alpha, c.gamma)
        self.text = template_ensemble(self.backbone, support.classes, c.templates)
        keys = support_keys(support, c.augment_epochs, c.crop_scale)
        criterion = channel_criterion(self.text, keys, support.labels, c.weights)
        self.kept = criterion.topk(max(1, round(c.channels * keys.shape[1]))).indices
        self.keys = self.selected_channels(keys)
        self.values = F.one_hot(support.labels, len(self.text)).to(keys.dtype)
        guess = (self.keys @ self.selected_channels(self.text).T).softmax(dim=1)
        self.divergence = (self.values * torch.log2((self.values + 1e-6) / (guess + 1e-6))).sum(dim=1, keepdim=True)

    def tuned_state(self) -> dict[str, Tensor]:
        """The kept channels, the keys with their labels and divergences, and beta, alpha and gamma."""
        return {
            "kept": self.kept,
            "keys": self.keys,
            "labels": self.values.argmax(dim=1),
            "divergence": self.divergence,
            "chosen": torch.tensor(self.chosen, dtype=torch.float64),
        }

    def restore_tuned_state(self, classes: ClassSet, state: dict[str, Tensor]) -> None:
        self.support_classes = classes
        self.scale = self.config.logit_scale or self.backbone.logit_scale
        self.text = template_ensemble(self.backbone, classes, self.config.templates)
        self.kept, self.keys, self.divergence = state["kept"], state["keys"], state["divergence"]
        self.values = F.one_hot(state["labels"], len(classes)).to(self.keys.dtype)
        beta, alpha, gamma = state["chosen"].tolist()
        self.chosen = (beta, alpha, gamma)

    def selected_channels(self, features: Float[Tensor, "n dim"]) -> Float[Tensor, "n kept"]:
        """The kept channels, normalised again."""
        return F.normalize(features[:, self.kept], dim=-1)

    def cache_logits(self, affinity: Float[Tensor, "b n"], beta: float, gamma: float) -> Float[Tensor, "b n_cls"]:
        """Logits of the cache, given the cosines of images with its keys."""
        return torch.exp(-beta * (1 - affinity)) @ (self.values * torch.exp(gamma * self.divergence))

    def searched_values(self, steps: tuple[int, int, int]) -> tuple[list[float], list[float], list[float]]:
        """Values of beta, alpha and gamma; gamma starts at 0. The official search has beta slowest, gamma fastest."""
        largest_beta, largest_alpha, largest_gamma = self.config.search_scale
        betas, alphas = list(search_values(largest_beta, steps[0])), list(search_values(largest_alpha, steps[1]))
        return betas, alphas, [i * largest_gamma / steps[2] for i in range(steps[2])]

    @torch.no_grad()
    def calibrate(self, validation: SupportView) -> None:
        if self.config.selection != "validation":
            return
        features, axes = validation.features(), self.searched_values(self.config.search_step)
        zero_shot = self.scale * F.normalize(features, dim=-1) @ self.text.T
        affinity = self.selected_channels(features) @ self.keys.T
        betas, alphas, gammas = axes
        counts = []
        for beta in betas:
            cached = [self.cache_logits(affinity, beta, gamma) for gamma in gammas]
            scores = [correct_by_weight(zero_shot, cache_part, alphas, validation.labels) for cache_part in cached]
            counts.append(torch.stack(scores, dim=1).flatten())
        grid = list(product(*axes))
        self.tuning.evaluations += len(grid)
        self.chosen = grid[first_best(counts)]

    def selected(self, classes: ClassSet) -> Classifier:
        return self.cache_classifier(*self.chosen)

    def candidates(self, classes: ClassSet) -> dict[str, Classifier]:
        """A classifier for each triple of a coarse grid over the searched range."""
        triples = product(*self.searched_values(COARSE_STEPS))
        return {f"alpha {a:.2f}, beta {b:.2f}, gamma {g:.2f}": self.cache_classifier(b, a, g) for b, a, g in triples}

    def cache_classifier(self, beta: float, alpha: float, gamma: float) -> Classifier:
        """The classifier with these values of beta, alpha and gamma."""

        def classify(batch: Batch) -> Tensor:
            zero_shot = self.scale * F.normalize(batch.features, dim=-1) @ self.text.T
            affinity = self.selected_channels(batch.features) @ self.keys.T
            return zero_shot + alpha * self.cache_logits(affinity, beta, gamma)

        return classify


def channel_criterion(
    text: Float[Tensor, "n_cls dim"],
    keys: Float[Tensor, "n dim"],
    labels: Int[Tensor, " n"],
    weights: tuple[float, float],
) -> Float[Tensor, " dim"]:
    """APE's criterion of each channel. Pairs of different classes are all pairs less those within a class."""
    members = F.one_hot(labels, len(text)).to(keys.dtype)
    sums, counts = text + members.T @ keys, 1 + members.sum(dim=0)
    pairs = counts.sum() ** 2 - counts.square().sum()
    similarity = (sums.sum(dim=0).square() - sums.square().sum(dim=0)) / pairs
    return -weights[0] * similarity + weights[1] * text.var(dim=0)
