"""Linear probe: multinomial logistic regression on frozen image features; class names are not used.

Radford et al., ICML 2021 (CLIP's README: L-BFGS, C = 0.316), and the row of the CoOp paper: KaiyangZhou/CoOp
`lpclip/linear_probe.py`, which searches C on the few validation images: first seven powers of ten, then halvings of the
interval around the best. Both call scikit-learn. The objective here is the same, minimised by scipy's L-BFGS with
scikit-learn's stopping rule and starting point:

    mean cross-entropy + ||W||^2 / (2 C n)          W on unnormalised features, intercept without penalty
"""

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field
from threadpoolctl import threadpool_limits
from torch import Tensor

from datasets_registry import ClassSet
from methods import Classifier, MethodConfig, MethodInfo, Sizes, SupportView, logits_accuracy, register_method
from methods._base.devices import in_double
from methods._parts.citations import CLIP_PAPER
from methods._parts.feature_methods import GridSearchMethod

GRID = (1e6, 1e4, 1e2, 1.0, 1e-2, 1e-4, 1e-6)
"""Values of C tried first, in this order; the first of equally good values wins (lpclip)."""


def linear_logits(table: Float[Tensor, "n_cls dim_and_1"], features: Float[Tensor, "batch dim"]) -> Tensor:
    """`W f + b` `(batch, n_cls)` in double precision, on the table's device.

    Args:
        table: the weights of each class, and its bias in the last column.
    """
    return in_double(features) @ table[:, :-1].T + table[:, -1]


def logistic_regression(
    features: Float[Tensor, "n dim"], labels: Int[Tensor, " n"], n_classes: int, *, c: float, max_iter: int
) -> Float[Tensor, "n_cls dim_and_1"]:
    """The table of a logistic regression, see `linear_logits`, on the CPU if the device has no float64.

    It is multinomial, with an L2 penalty on the weights, started at zero, in double precision.
    """
    from scipy.optimize import minimize  # slow to import, and every use of any method imports this file

    x, n, dim = in_double(features), len(labels), features.shape[1]
    one_hot = F.one_hot(labels.to(x.device), n_classes).double()
    penalty = 1 / (c * n)

    def unpack(flat: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Tensor:
        return torch.from_numpy(flat).to(x.device).view(n_classes, dim + 1)

    def value_and_gradient(flat: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[float, object]:
        table = unpack(flat)
        weight, log_p = table[:, :dim], linear_logits(table, x).log_softmax(dim=1)
        value = -(one_hot * log_p).sum() / n + 0.5 * penalty * weight.square().sum()
        error = (log_p.exp() - one_hot) / n
        gradient = torch.cat([error.T @ x + penalty * weight, error.sum(dim=0)[:, None]], dim=1)
        both = torch.cat([value[None], gradient.flatten()]).cpu().numpy()  # one transfer
        return float(both[0]), both[1:]

    # the BLAS threads of scipy and those of torch would wait for each other: up to 30 times slower on two cores
    with threadpool_limits(limits=1, user_api="blas"):
        solution = minimize(
            value_and_gradient,
            np.zeros(n_classes * (dim + 1)),
            method="L-BFGS-B",
            jac=True,
            options={"maxiter": max_iter, "maxls": 50, "gtol": 1e-4, "ftol": 64 * np.finfo(float).eps},
        )
    return unpack(solution.x)


class LinearProbeConfig(MethodConfig):
    """Inverse regularisation, and how it is chosen."""

    selection: Literal["validation", "fixed", "ensemble", "oracle"] = Field(
        "validation",
        description="C searched on the few validation images (CoOp's lpclip), as it is (CLIP's README), the powers of "
        "ten averaged, or the best of them on test",
    )
    c: float = Field(0.316, gt=0, description="inverse regularisation where none is searched; 0.316, CLIP's README")
    steps: int = Field(8, ge=0, description="halvings of the interval around the best power of ten; 8, lpclip")
    normalise: bool = Field(False, description="whether features are normalised first; not in either official file")
    max_iter: int = Field(1000, ge=1, description="most L-BFGS iterations; 1000 in both official files")

    def parameter_count(self, sizes: Sizes) -> int:
        return sizes.n_classes * (sizes.embed_dim + 1) * (len(GRID) if self.selection == "ensemble" else 1)


@register_method
class LinearProbe(GridSearchMethod[LinearProbeConfig]):
    """Logistic regression on frozen features."""

    info = MethodInfo(
        name="linear_probe",
        title="Linear probe",
        family="classifier",
        summary="Logistic regression on frozen image features, without the class names.",
        paper="2103.00020",
        code="KaiyangZhou/CoOp",
        citation=CLIP_PAPER,
        config=LinearProbeConfig,
        open_vocabulary=False,
        reads_text=False,
    )

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        self.features, self.labels = self.regression_inputs(support.features()), support.labels
        self.fits: dict[float, Tensor] = {}
        if self.config.selection in ("fixed", "oracle"):
            self.chosen = self.fit_regression(self.config.c)
        if self.config.selection in ("ensemble", "oracle"):
            self.candidates(support.classes)  # fits now, so that the time does not count as evaluation

    def calibrate(self, validation: SupportView) -> None:
        if self.config.selection == "validation":
            self.chosen = self.search_regularisation(self.regression_inputs(validation.features()), validation.labels)

    def selected(self, classes: ClassSet) -> Classifier:
        return self.batch_classifier(self.chosen)

    def candidates(self, classes: ClassSet) -> dict[str, Classifier]:
        """A classifier for each power of ten in `GRID`."""
        return {f"C {c:g}": self.batch_classifier(self.fit_regression(c)) for c in GRID}

    def batch_classifier(self, table: Tensor) -> Classifier:
        """The classifier of batches of a fitted regression."""
        return lambda batch: (
            linear_logits(table, self.regression_inputs(batch.features)).float().to(batch.features.device)
        )

    def learned_parameters(self) -> int:
        used = self.fits.values() if self.config.selection == "ensemble" else [self.chosen]
        return sum(table.numel() for table in used)

    def tuned_state(self) -> dict[str, Tensor]:
        """The regressions in use, stacked: weights `(n, n_cls, dim)` and biases `(n, n_cls)`, in double precision."""
        used = [self.fits[c] for c in GRID] if self.config.selection == "ensemble" else [self.chosen]
        return {"weight": torch.stack([t[:, :-1] for t in used]), "bias": torch.stack([t[:, -1] for t in used])}

    def restore_tuned_state(self, classes: ClassSet, state: dict[str, Tensor]) -> None:
        self.support_classes = classes
        # the same strides as after fitting, so that products are bit-identical
        tables = torch.cat([state["weight"], state["bias"][:, :, None]], dim=2)
        self.chosen, self.fits = tables[0], dict(zip(GRID, tables, strict=False))

    def regression_inputs(self, features: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
        """The features, normalised if `normalise` is set."""
        return F.normalize(features, dim=-1) if self.config.normalise else features

    def fit_regression(self, c: float) -> Float[Tensor, "n_cls dim_and_1"]:
        """The table of the regression for one C; a repeated C is not fitted again."""
        if c not in self.fits:
            self.tuning.fits += 1
            self.fits[c] = logistic_regression(
                self.features, self.labels, len(self.support_classes), c=c, max_iter=self.config.max_iter
            )
        return self.fits[c]

    def search_regularisation(self, features: Float[Tensor, "n dim"], labels: Int[Tensor, " n"]) -> Tensor:
        """Search C as lpclip does: the best power of ten, then the better end of an interval, halved in log C."""
        features = in_double(features)
        labels = labels.to(features.device)

        def score(exponent: float) -> float:
            self.tuning.evaluations += 1
            return logits_accuracy(linear_logits(self.fit_regression(10**exponent), features), labels)

        peak = max((float(np.log10(c)) for c in GRID), key=score)
        left, right, best = peak - 1, peak + 1, peak
        for _ in range(self.config.steps):
            middle = (left + right) / 2
            if score(left) < score(right):
                best, left = right, middle
            else:
                best, right = left, middle
        return self.fit_regression(10**best)
