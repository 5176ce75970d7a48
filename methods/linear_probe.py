"""Linear probe: multinomial logistic regression on frozen image features; class names are never read.

Radford et al., ICML 2021 (CLIP's README: L-BFGS, C = 0.316), and the row of the CoOp paper: KaiyangZhou/CoOp
`lpclip/linear_probe.py`, which searches C on the few validation images, first on seven powers of ten, then by halving
the interval around the best. Both call scikit-learn; the objective is the same here, minimised by scipy's L-BFGS with
scikit-learn's stopping rule and starting point:

    mean cross-entropy + ||W||^2 / (2 C n)          W on unnormalised features, the intercept free
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field
from scipy.optimize import minimize
from torch import Tensor

from datasets_registry._types import ClassSet
from methods._base import (
    Classifier,
    Family,
    Method,
    MethodConfig,
    MethodInfo,
    Needs,
    SupportView,
    require_known_classes,
)
from methods._feature_space import accuracy
from methods._registry import register_method

GRID = (1e6, 1e4, 1e2, 1.0, 1e-2, 1e-4, 1e-6)
"""Values of C tried first, in this order; of equal ones the first wins (lpclip)."""


class LinearProbeConfig(MethodConfig):
    """Inverse regularisation and how it is chosen."""

    selection: Literal["validation", "fixed"] = Field(
        "validation", description="C searched on the few validation images (CoOp's lpclip), or as it is (CLIP's README)"
    )
    c: float = Field(0.316, gt=0, description="inverse regularisation for selection=fixed; 0.316, CLIP's README")
    steps: int = Field(8, ge=0, description="halvings of the interval around the best power of ten; 8, lpclip")
    normalise: bool = Field(False, description="whether features are normalised first; not in either official file")
    max_iter: int = Field(1000, ge=1, description="most L-BFGS iterations; 1000 in both official files")


@dataclass(frozen=True)
class LinearClassifier:
    """`W f + b` in double precision."""

    weight: Float[Tensor, "n_cls dim"]
    bias: Float[Tensor, " n_cls"]

    def __call__(self, features: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch n_cls"]:
        return features.double() @ self.weight.T + self.bias


@register_method
class LinearProbe(Method[LinearProbeConfig]):
    """Logistic regression on frozen features."""

    info: ClassVar[MethodInfo] = MethodInfo(
        name="linear_probe",
        title="Linear probe",
        family=Family.CLASSIFIER,
        summary="Logistic regression on frozen image features, blind to the class names.",
        citation="""@inproceedings{radford2021clip,
  title = {Learning Transferable Visual Models From Natural Language Supervision},
  author = {Radford, Alec and Kim, Jong Wook and Hallacy, Chris and others},
  booktitle = {ICML},
  year = {2021}
}""",
        config=LinearProbeConfig,
        needs=frozenset({Needs.FEATURES}),
        open_vocabulary=False,
        parameter_count=lambda b, c, n: n * (b.embed_dim + 1),
        needs_validation=True,
    )

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        self.features, self.labels = self.inputs(support.features()), support.labels
        self.fits: dict[float, LinearClassifier] = {}
        if self.config.selection == "fixed":
            self.chosen = self.fit(self.config.c)

    def calibrate(self, validation: SupportView) -> None:
        if self.config.selection == "validation":
            self.chosen = self.search(self.inputs(validation.features()), validation.labels)

    def classifier(self, classes: ClassSet) -> Classifier:
        require_known_classes("linear_probe", self.support_classes, classes)
        return lambda batch: self.chosen(self.inputs(batch.features)).float()

    def learned_parameters(self) -> int:
        return self.chosen.weight.numel() + self.chosen.bias.numel()

    def inputs(self, features: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
        """Features as the regression sees them."""
        return F.normalize(features, dim=-1) if self.config.normalise else features

    def fit(self, c: float) -> LinearClassifier:
        """The regression for one C; a repeated C is not fitted again."""
        if c not in self.fits:
            self.fits[c] = logistic_regression(
                self.features, self.labels, len(self.support_classes), c=c, max_iter=self.config.max_iter
            )
        return self.fits[c]

    def search(self, features: Float[Tensor, "n dim"], labels: Int[Tensor, " n"]) -> LinearClassifier:
        """Search C as lpclip does: the best power of ten, then the better end of an interval halved in log C."""

        def score(exponent: float) -> float:
            return accuracy(self.fit(10**exponent)(features), labels)

        peak = max((float(np.log10(c)) for c in GRID), key=score)
        left, right, best = peak - 1, peak + 1, peak
        for _ in range(self.config.steps):
            middle = (left + right) / 2
            if score(left) < score(right):
                best, left = right, middle
            else:
                best, right = left, middle
        return self.fit(10**best)


def logistic_regression(
    features: Float[Tensor, "n dim"], labels: Int[Tensor, " n"], n_classes: int, *, c: float, max_iter: int
) -> LinearClassifier:
    """Multinomial logistic regression with an L2 penalty on the weights, from zero, in double precision."""
    x, n, dim = features.double(), len(labels), features.shape[1]
    one_hot = F.one_hot(labels, n_classes).double()
    penalty = 1 / (c * n)

    def unpack(flat: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[Tensor, Tensor]:
        table = torch.from_numpy(flat).to(x.device).view(n_classes, dim + 1)
        return table[:, :dim], table[:, dim]

    def value_and_gradient(flat: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[float, object]:
        weight, bias = unpack(flat)
        log_p = (x @ weight.T + bias).log_softmax(dim=1)
        value = -(one_hot * log_p).sum() / n + 0.5 * penalty * weight.square().sum()
        error = (log_p.exp() - one_hot) / n
        gradient = torch.cat([error.T @ x + penalty * weight, error.sum(dim=0)[:, None]], dim=1)
        return float(value), gradient.flatten().cpu().numpy()

    found = minimize(
        value_and_gradient,
        np.zeros(n_classes * (dim + 1)),
        method="L-BFGS-B",
        jac=True,
        options={"maxiter": max_iter, "maxls": 50, "gtol": 1e-4, "ftol": 64 * np.finfo(float).eps},
    )
    weight, bias = unpack(found.x)
    return LinearClassifier(weight, bias)
