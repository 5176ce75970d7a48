"""ReHARK: kernel ridge regression around texts mixed with class means, for images moved to the support's statistics.

Islam, "ReHARK: Refined Hybrid Adaptive RBF Kernels for Robust One-Shot Vision-Language Adaptation", arXiv 2603.11542.
Official file: Jahid12012021/ReHARK `trainers/rehark.py`. All features are normalised, changed to sign(x) |x|^power and
normalised again. With norm(.) for normalisation, class means m_c, and support images s_i of class y_i in several views:

    prior_c = norm((1 - refine_w) norm((1 - alpha_txt) t_c + alpha_txt d_c) + refine_w norm(m_c))
    S       = all s_i and all norm(s_i + blend_img prior_{y_i})
    k(f, s) = mix_k exp(-beta1 |f - s|^2) + (1 - mix_k) exp(-beta2 |f - s|^2)
    a       = (k(S, S) + lmbda)^-1 (Y - scale_zs S prior')
    g       = norm((f - mean_U) (std_S / std_U)^var_adj + mean_U + soft (mean_S - mean_U))
    logits  = scale_zs g prior' + k(g, S) a

t_c are the templates. d_c are the sentences of `--class-text`, otherwise `a photo of a NAME.`, as in the official code.
mean_U and std_U, of each feature, are those of unlabelled images: the run's pool (`--unlabelled`). The official code
computes them from all test images, which is `--unlabelled transductive`. `var_adj=0` with `soft=0` leaves images where
they are; both are in the searched ranges.

No values are published. The official code searches all eleven on validation images (for ImageNet on the test images)
with 1,000 trials of Optuna's sampler, without a seed. Here each trial is drawn independently from the same ranges,
evenly (lmbda evenly in its logarithm), and every run tries the same ones: 100 by default, since each solves a system of
2 x classes x shots x views unknowns. For the same reason a trial has only as many views as give 1,000 images, at least
one. The final fit has all views. A trial is scored on the few validation images, moved by their own mean and deviation,
as in the official code. The first of equally good ones wins. The official code fails if a class has no images. Here
such a class keeps its text.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from datasets_registry import ClassSet, EvalProtocol
from methods import Batch, Classifier, MethodInfo, SupportView, register_method
from methods._base.devices import in_double
from methods._parts.feature_methods import (
    SELECT7_ON_IMAGENET,
    GridSearchMethod,
    TextConfig,
    first_best,
    template_ensemble,
)
from methods._text.templates import GENERIC_TEMPLATE
from methods.proker import kernel

RANGES: Mapping[str, tuple[float, float]] = {
    "beta1": (0.1, 30.0),
    "beta2": (0.01, 5.0),
    "mix_k": (0.0, 1.0),
    "lmbda": (0.001, 5.0),
    "soft": (0.0, 1.0),
    "var_adj": (0.0, 1.0),
    "alpha_txt": (0.0, 1.0),
    "refine_w": (0.0, 1.0),
    "blend_img": (0.0, 2.0),
    "scale_zs": (1.0, 20.0),
    "power": (0.5, 1.0),
}
"""Searched ranges of the official code, evenly; lmbda evenly in its logarithm."""
PUBLISHED_SETTINGS: Mapping[str, Any] = {
    "by_dataset": {"imagenet": {"crop_scale": (0.08, 1.0), **SELECT7_ON_IMAGENET["imagenet"]}}
}
"""What differs by dataset: `datasets/imagenet.py` has its own crops and texts."""
CANDIDATES = 16
"""How many of the trials the oracle and the ensemble use."""
SEARCHED_IMAGES = 1000
"""Support images in all views of a trial, unless one view has more."""
SMALLEST = 1e-6
"""Added to both deviations; official code."""


def searched(name: str, default: float, what: str) -> Any:
    """A setting with its range; its default is the middle."""
    low, high = RANGES[name]
    return Field(default, ge=low, le=high, description=f"{what}; searched from {low:g} to {high:g}, official code")


class ReHARKConfig(TextConfig):
    """The eleven searched numbers, which are the middle of their ranges where they are not searched, and the views."""

    beta1: float = searched("beta1", 15.05, "sharpness of the first kernel")
    beta2: float = searched("beta2", 2.505, "sharpness of the second kernel")
    mix_k: float = searched("mix_k", 0.5, "share of the first kernel")
    lmbda: float = searched("lmbda", 0.0707, "ridge of the regression")
    soft: float = searched("soft", 0.5, "how far the mean of unlabelled images moves to that of the support")
    var_adj: float = searched("var_adj", 0.5, "exponent of the ratio of the deviations")
    alpha_txt: float = searched("alpha_txt", 0.5, "share of the sentences in the texts")
    refine_w: float = searched("refine_w", 0.5, "share of the class means in the prior")
    blend_img: float = searched("blend_img", 1.0, "share of the prior in the added support rows")
    scale_zs: float = searched("scale_zs", 10.5, "factor on the cosine to the prior")
    power: float = searched("power", 0.75, "exponent of the features")
    selection: Literal["validation", "fixed", "ensemble", "oracle"] = Field(
        "validation",
        description="all eleven searched on the few validation images, as they are, the first 16 trials averaged, or "
        "the best of these on test",
    )
    trials: int = Field(
        100, ge=1, description="trials of the search; the official code has 1,000 of Optuna's sampler (n_trials)"
    )
    views: int = Field(10, ge=1, description="augmented views, each a row of the support; 10 (README)")
    crop_scale: tuple[float, float] = Field(
        (0.5, 1.0), description="area range of their crops; official transforms, for ImageNet (0.08, 1)"
    )


@dataclass(frozen=True)
class Fit:
    """What classifies with one value of each setting.

    Args:
        rows: the support S.
        coefficients: a.
        prior: one row per class.
        mean: mean of the unlabelled images.
        gain: their factor.
        target: the mean that they get.
    """

    values: ReHARKConfig
    rows: Float[Tensor, "n_rows dim"]
    coefficients: Float[Tensor, "n_rows n_cls"]
    prior: Float[Tensor, "n_cls dim"]
    mean: Float[Tensor, " dim"]
    gain: Float[Tensor, " dim"]
    target: Float[Tensor, " dim"]

    def logits(self, features: Float[Tensor, "n dim"]) -> Float[Tensor, "n n_cls"]:
        """Logits of unnormalised features."""
        image = powered(features, self.values.power) - self.mean
        image = F.normalize(image * self.gain + self.target, dim=-1)
        zero_shot: Tensor = self.values.scale_zs * image @ self.prior.T
        return zero_shot + two_kernels(image, self.rows, self.values) @ self.coefficients

    def __call__(self, batch: Batch) -> Float[Tensor, "batch n_cls"]:
        return self.logits(batch.features)


TENSORS = ("rows", "coefficients", "prior", "mean", "gain", "target")


@register_method
class ReHARK(GridSearchMethod[ReHARKConfig]):
    """`scale_zs g prior' + k(g, S) a`."""

    config: ReHARKConfig

    info = MethodInfo(
        name="rehark",
        title="ReHARK",
        family="cache",
        summary="Kernel ridge regression around texts and class means, for images moved to the support's statistics.",
        paper="2603.11542",
        code="Jahid12012021/ReHARK",
        uses=("outside texts",),
        citation="""@article{islam2026rehark,
  title = {ReHARK: Refined Hybrid Adaptive RBF Kernels for Robust One-Shot Vision-Language Adaptation},
  author = {Islam, Md Jahidul},
  journal = {arXiv:2603.11542},
  year = {2026}
}""",
        config=ReHARKConfig,
        open_vocabulary=False,
        config_by_protocol={EvalProtocol.FEW_SHOT: PUBLISHED_SETTINGS},
        needs=frozenset({"features", "unlabelled"}),
    )

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        c, classes = self.config, support.classes
        self.text = template_ensemble(self.backbone, replace(classes, sentences=None), c.templates)
        self.described = template_ensemble(self.backbone, classes, [GENERIC_TEMPLATE])
        self.images = support.views(c.views, c.crop_scale) if c.views > 1 else support.features()[None]
        self.labels = support.labels
        self.pool = support.unlabelled()

    @cached_property
    def fits(self) -> list[Fit]:
        """One fit, or those of all candidates; `calibrate` sets it to the fit that it found."""
        tried = trials(CANDIDATES) if self.config.selection in ("ensemble", "oracle") else [{}]
        return [self.fit(self.config.model_copy(update=values), self.pool, self.config.views) for values in tried]

    def fit(self, c: ReHARKConfig, unlabelled: Float[Tensor, "m dim"], views: int) -> Fit:
        """Fit the first views with these settings, for images with the statistics of `unlabelled`."""
        image, other = powered(self.images[:views].flatten(0, 1), c.power), powered(unlabelled, c.power)
        labels = self.labels.repeat(views)
        text = torch.lerp(powered(self.text, c.power), powered(self.described, c.power), c.alpha_txt)
        text = F.normalize(text, dim=-1)
        members = F.one_hot(labels, len(text)).to(image.dtype)
        means = F.normalize(members.T @ image, dim=-1)
        prior = F.normalize(torch.lerp(text, means, c.refine_w), dim=-1)
        prior = torch.where(members.sum(dim=0)[:, None] > 0, prior, text)
        rows = torch.cat([image, F.normalize(image + c.blend_img * prior[labels], dim=-1)])
        errors = in_double(members.repeat(2, 1) - c.scale_zs * rows @ prior.T)
        system = two_kernels(in_double(rows), in_double(rows), c)
        system.diagonal().add_(c.lmbda)
        coefficients = torch.cholesky_solve(errors, torch.linalg.cholesky(system)).to(rows).contiguous()
        (row_mean, row_deviation), (mean, deviation) = statistics(rows), statistics(other)
        gain = ((row_deviation + SMALLEST) / (deviation + SMALLEST)) ** c.var_adj
        return Fit(c, rows, coefficients, prior, mean, gain, torch.lerp(mean, row_mean, c.soft))

    @torch.no_grad()
    def calibrate(self, validation: SupportView) -> None:
        if self.config.selection != "validation":
            return
        image, tried = validation.features(), trials(self.config.trials)
        views = min(self.config.views, max(1, SEARCHED_IMAGES // len(self.labels)))
        guesses = (self.fit(self.config.model_copy(update=values), image, views).logits(image) for values in tried)
        best = first_best([(logits.argmax(dim=1) == validation.labels).sum()[None] for logits in guesses])
        self.tuning.evaluations += len(tried)
        self.fits = [self.fit(self.config.model_copy(update=tried[best]), self.pool, self.config.views)]

    def tuned_state(self) -> dict[str, Tensor]:
        """The searched numbers and the tensors of each fit."""
        values = torch.tensor(
            [[getattr(fit.values, name) for name in RANGES] for fit in self.fits], dtype=torch.float64
        )
        return {"values": values} | {name: torch.stack([getattr(fit, name) for fit in self.fits]) for name in TENSORS}

    def restore_tuned_state(self, classes: ClassSet, state: dict[str, Tensor]) -> None:
        self.support_classes = classes
        self.fits = []
        for i, row in enumerate(state["values"].tolist()):
            values = self.config.model_copy(update=dict(zip(RANGES, row, strict=True)))
            self.fits.append(Fit(values, **{name: state[name][i] for name in TENSORS}))

    def selected(self, classes: ClassSet) -> Classifier:
        return self.fits[0]

    def candidates(self, classes: ClassSet) -> dict[str, Classifier]:
        """A classifier for each of the first trials."""
        return {f"trial {number}": fit for number, fit in enumerate(self.fits, start=1)}


def trials(count: int) -> list[dict[str, float]]:
    """Settings drawn independently from the ranges. Fewer trials are the first of more."""
    low, high = torch.tensor(list(RANGES.values()), dtype=torch.float64).T
    ridge = list(RANGES).index("lmbda")
    low[ridge], high[ridge] = low[ridge].log(), high[ridge].log()
    drawn = torch.rand(count, len(RANGES), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    drawn = torch.lerp(low, high, drawn)
    drawn[:, ridge] = drawn[:, ridge].exp()
    return [dict(zip(RANGES, row, strict=True)) for row in drawn.tolist()]


def powered(features: Float[Tensor, "n dim"], power: float) -> Float[Tensor, "n dim"]:
    """Normalised features with each value's size to this power, normalised again."""
    features = F.normalize(features, dim=-1)
    return F.normalize(features.sign() * features.abs() ** power, dim=-1)


def two_kernels(x: Float[Tensor, "n dim"], y: Float[Tensor, "m dim"], c: ReHARKConfig) -> Float[Tensor, "n m"]:
    """The mixed kernel of normalised rows, whose squared distance is twice 1 minus their cosine."""
    return c.mix_k * kernel(x, y, 2 * c.beta1) + (1 - c.mix_k) * kernel(x, y, 2 * c.beta2)


def statistics(features: Float[Tensor, "n dim"]) -> tuple[Float[Tensor, " dim"], Float[Tensor, " dim"]]:
    """Mean and deviation over the images; a single image has deviation 0."""
    return features.mean(dim=0), features.std(dim=0, correction=min(1, len(features) - 1))
