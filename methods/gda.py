"""GDA: Gaussian discriminant analysis on frozen features, added to the zero-shot logits; closed form, no training.

Wang et al., "A Hard-to-Beat Baseline for Training-free CLIP-based Adaptation", ICLR 2024. Official files:
mrflogs/ICLR24 `main_few_shots.py` and `main_base2new.py`. Classes are Gaussians with means mu_c and one covariance:

    logits = scale f t' + alpha (W f + b)           W_c = P mu_c,  b_c = log(1/C) - mu_c' P mu_c / 2
    P = D pinv((n - 1) S + tr(S) I)                 S: covariance of the n normalised vectors around their class means

Base-to-new uses the other file. There, P of the trained classes is the plain pseudo-inverse of the mean of their
covariances. A new class uses the k support vectors nearest to its text. Its mean is the mean of these vectors and some
copies of the text. P of the new classes is the shrunk precision around the text, averaged over them. The published
alpha was searched on the full validation split (for ImageNet on test); here on the few validation images.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from datasets_registry import ClassSet, EvalProtocol
from methods import Batch, Classifier, MethodInfo, SupportView, register_method
from methods._parts.feature_methods import (
    SELECT7_ON_IMAGENET,
    GridSearchMethod,
    LogitScaleSetting,
    TextConfig,
    correct_by_weight,
    first_best,
    template_ensemble,
)

IMAGENET_CROPS: Mapping[str, Any] = {"crop_scale": (0.08, 1.0)}
"""ImageNet has its own crops: datasets/imagenet.py."""
PUBLISHED_SETTINGS: Mapping[str, Any] = {
    "by_dataset": {"imagenet": {**IMAGENET_CROPS, **SELECT7_ON_IMAGENET["imagenet"]}}
}
"""What differs by dataset."""
ALPHAS = (1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0)
"""Values of alpha, searched in this order; the first of equally good values wins. Both official files."""


class GDAConfig(TextConfig):
    """How the Gaussians are estimated and weighted."""

    alpha: float = Field(0.1, ge=0, description="weight of the Gaussians; 0.1, where the official search starts")
    selection: Literal["validation", "fixed", "ensemble", "oracle"] = Field(
        "validation",
        description="alpha searched on the few validation images, as it is, all values averaged, or best on test",
    )
    covariance: Literal["shrunk", "class_mean"] = Field(
        "shrunk",
        description="precision of trained classes: shrunk (few-shot file), or of the classes' mean (base-to-new)",
    )
    views: int = Field(10, ge=1, description="augmented views, each a vector of its own; 10 in all configs")
    crop_scale: tuple[float, float] = Field(
        (0.5, 1.0), description="area range of their crops; official transforms, for ImageNet (0.08, 1)"
    )
    neighbours: int = Field(64, ge=2, description="support vectors that a new class borrows; 64, base-to-new file")
    text_copies: int = Field(16, ge=0, description="copies of the text in a new class's mean; 16, base-to-new file")
    logit_scale: LogitScaleSetting = None


@register_method
class GDA(GridSearchMethod[GDAConfig]):
    """`scale f t' + alpha (W f + b)`."""

    info = MethodInfo(
        name="gda",
        title="GDA",
        family="classifier",
        summary="Gaussian discriminant analysis of the support images added to the zero-shot logits, in closed form.",
        paper="openreview:Js5PJPHDyY",
        code="mrflogs/ICLR24",
        citation="""@inproceedings{wang2024gda,
  title = {A Hard-to-Beat Baseline for Training-free CLIP-based Adaptation},
  author = {Wang, Zhengbo and Liang, Jian and Sheng, Lijun and He, Ran and Wang, Zilei and Tan, Tieniu},
  booktitle = {ICLR},
  year = {2024}
}""",
        config=GDAConfig,
        open_vocabulary=True,
        config_by_protocol={
            EvalProtocol.FEW_SHOT: PUBLISHED_SETTINGS,
            EvalProtocol.BASE_TO_NEW: {"covariance": "class_mean", **PUBLISHED_SETTINGS},
            EvalProtocol.DOMAIN_GENERALIZATION: PUBLISHED_SETTINGS,
            EvalProtocol.CROSS_DATASET: {"by_dataset": {"imagenet": IMAGENET_CROPS}},
        },
    )

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        self.alpha = self.config.alpha
        self.scale = self.config.logit_scale or self.backbone.logit_scale
        views = support.views(self.config.views, self.config.crop_scale)
        self.vectors = F.normalize(views.flatten(0, 1), dim=-1)
        labels = support.labels.repeat(len(views))
        by_class = [self.vectors[labels == c] for c in range(len(support.classes))]
        means = torch.stack([vectors.mean(dim=0) for vectors in by_class])
        if self.config.covariance == "shrunk":
            precision = shrunk_precision(self.vectors - means[labels])
        else:
            precision = torch.linalg.pinv(torch.stack([v.T.cov() for v in by_class]).mean(dim=0), hermitian=True)
        self.weight, self.bias = gaussian_discriminant(means, precision)

    def calibrate(self, validation: SupportView) -> None:
        if self.config.selection != "validation":
            return
        image = F.normalize(validation.features(), dim=-1)
        text = template_ensemble(self.backbone, validation.classes, self.config.templates)
        zero_shot = self.scale * image @ text.T
        gaussian = image @ self.weight.T + self.bias
        self.tuning.evaluations += len(ALPHAS)
        self.alpha = ALPHAS[first_best([correct_by_weight(zero_shot, gaussian, ALPHAS, validation.labels)])]

    def tuned_state(self) -> dict[str, Tensor]:
        """Weight, bias and alpha for the trained classes, and the support vectors for estimates of new classes."""
        alpha = torch.tensor(self.alpha, dtype=torch.float64)
        return {"weight": self.weight, "bias": self.bias, "vectors": self.vectors, "alpha": alpha}

    def restore_tuned_state(self, classes: ClassSet, state: dict[str, Tensor]) -> None:
        self.support_classes = classes
        self.scale = self.config.logit_scale or self.backbone.logit_scale
        self.weight, self.bias, self.vectors = state["weight"], state["bias"], state["vectors"]
        self.alpha = float(state["alpha"])

    def selected(self, classes: ClassSet) -> Classifier:
        return self.blended_classifier(classes, self.alpha)

    def candidates(self, classes: ClassSet) -> dict[str, Classifier]:
        """A classifier for each alpha of the search."""
        return {f"alpha {alpha:g}": self.blended_classifier(classes, alpha) for alpha in ALPHAS}

    def blended_classifier(self, classes: ClassSet, alpha: float) -> Classifier:
        """The classifier with the given alpha, for trained or for new classes."""
        text = template_ensemble(self.backbone, classes, self.config.templates)
        trained = {name: i for i, name in enumerate(self.support_classes.names)}
        if set(classes.names) <= set(trained):
            rows = [trained[name] for name in classes.names]
            weight, bias = self.weight[rows], self.bias[rows]
        else:
            weight, bias = self.new_class_discriminant(text)

        def classify(batch: Batch) -> Tensor:
            image = F.normalize(batch.features, dim=-1)
            return self.scale * image @ text.T + alpha * (image @ weight.T + bias)

        return classify

    def new_class_discriminant(self, text: Float[Tensor, "n_cls dim"]) -> tuple[Tensor, Tensor]:
        """Weight and bias for classes without images, from the support vectors nearest to their texts."""
        k, copies = min(self.config.neighbours, len(self.vectors)), self.config.text_copies
        nearest = self.vectors[(text @ self.vectors.T).topk(k, dim=1).indices]
        means = (nearest.sum(dim=1) + copies * text) / (k + copies)
        precisions = [shrunk_precision(near - t) for near, t in zip(nearest, text, strict=True)]
        return gaussian_discriminant(means, torch.stack(precisions).mean(dim=0))


def shrunk_precision(centred: Float[Tensor, "n dim"]) -> Float[Tensor, "dim dim"]:
    """`D pinv((n - 1) S + tr(S) I)` of centred vectors, with S their covariance (divided by n - 1)."""
    n, dim = centred.shape
    scatter = centred.T @ centred
    ridge = scatter.trace() / (n - 1) * torch.eye(dim, dtype=centred.dtype, device=centred.device)
    inverse: Tensor = torch.linalg.pinv(scatter + ridge, hermitian=True)
    return dim * inverse


def gaussian_discriminant(
    means: Float[Tensor, "n_cls dim"], precision: Float[Tensor, "dim dim"]
) -> tuple[Float[Tensor, "n_cls dim"], Float[Tensor, " n_cls"]]:
    """Weight and bias of the linear discriminant of Gaussians with equal priors."""
    weight = means @ precision
    return weight, -math.log(len(means)) - 0.5 * (weight * means).sum(dim=1)
