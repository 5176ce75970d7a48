"""ProKeR: kernel ridge regression of the zero-shot classifier's errors on the support images, in closed form.

Bendou et al., "ProKeR: A Kernel Perspective on Few-Shot Adaptation of Large Vision-Language Models", CVPR 2025.
Official file: omarnust/BReg-Adapter `trainers/proker.py`:

    logits = t(f) + k(f, S) a           a = (k(S, S) / lambda + 1)^-1 (Y - t(S)),   k(f, s) = exp(-beta (1 - f s'))

Features and class texts are normalised. S has a row for each augmented view of each support image, and Y is one-hot.
t is the cosine to the class texts, with factor 1 and not 100, so the probabilities are nearly uniform. The official
code has three ways to choose beta and lambda: ImageNet's values for the number of shots, which need no validation (the
default here); a search on min(shots, 4) validation images per class (`selection=validation`); or a search on the full
validation split, which its command has by default. The search solves 25 to 2,000 linear systems of classes x shots x
views unknowns, in ranges set per dataset. The official code fails if a class has no images. Here its column of Y is
zero.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Annotated, Any, Literal

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

COARSE_STEPS = 4
"""How many values of beta and of lambda, evenly spaced over the range, the oracle and the ensemble use."""

IMAGENET_BETA = ((1, 3.0), (2, 2.6), (4, 1.5), (8, 1.66), (16, 1.7))
IMAGENET_LMBDA = ((1, 0.05), (2, 0.05), (4, 0.05), (8, 0.07), (16, 0.1))
"""By shots, found on ImageNet: configs/RN50/configs_proker/hyperparameters.json, commit c89ce54."""

Positive = Annotated[float, Field(gt=0)]
ByShots = Annotated[tuple[tuple[int, Positive], ...], Field(min_length=1)]
"""Pairs of a number of shots and its value."""
Range = tuple[float, float, int]
"""First value, last value, number of evenly spaced values."""


def _ranges(beta: Range, lmbda: Range) -> dict[str, Any]:
    return {"search_beta": beta, "search_lmbda": lmbda}


PUBLISHED_SETTINGS: Mapping[str, Any] = {
    "by_dataset": {
        "dtd": _ranges((0.1, 10.0, 20), (0.001, 10.0, 100)),
        "eurosat": _ranges((0.5, 3.0, 20), (0.001, 1.0, 100)),
        "imagenet": _ranges((1.5, 3.0, 10), (0.05, 0.25, 10))
        | {"views": 1, "crop_scale": (0.08, 1.0), **SELECT7_ON_IMAGENET["imagenet"]},
        "oxford_flowers": _ranges((0.1, 10.0, 20), (0.001, 10.0, 100)),
        "oxford_pets": _ranges((0.01, 5.0, 40), (0.01, 0.3, 20)),
        "stanford_cars": _ranges((0.1, 10.0, 5), (0.01, 1.0, 5)),
        "sun397": _ranges((0.1, 10.0, 20), (0.01, 10.0, 10)),
    }
}
"""What differs from the defaults, the values of the four other datasets: configs/RN50/configs_proker/*.yaml, and for
ImageNet also datasets/imagenet.py, commit c89ce54."""


class ProKeRConfig(TextConfig):
    """Sharpness of the kernel and weight of the fit."""

    beta: Positive | ByShots = Field(
        IMAGENET_BETA,
        description="sharpness of the kernel where it is not searched: a number, or pairs of shots and a number, of "
        "which the last one up to the run's shots counts; ImageNet's",
    )
    lmbda: Positive | ByShots = Field(
        IMAGENET_LMBDA, description="weight of the fit where it is not searched, likewise; ImageNet's"
    )
    selection: Literal["validation", "fixed", "ensemble", "oracle"] = Field(
        "fixed",
        description="beta and lmbda: searched on the few validation images (official option coop), as they are "
        "(official option imagenet), all of a coarse grid averaged, or best on test",
    )
    search_beta: Range = Field(
        (0.5, 3.0, 20), description="first, last and number of values searched; set by hand for each dataset"
    )
    search_lmbda: Range = Field((0.001, 1.0, 10), description="the same for lmbda")
    views: int = Field(
        10,
        ge=0,
        description="augmented views, each a row of the system; 10 (README), for ImageNet 1 (imagenet.yaml). "
        "0: the centre view instead",
    )
    crop_scale: tuple[float, float] = Field(
        (0.5, 1.0), description="area range of their crops; official transforms, for ImageNet (0.08, 1)"
    )
    logit_scale: float = Field(1.0, gt=0, description="factor on the cosine to the text; 1, official code")


@register_method
class ProKeR(GridSearchMethod[ProKeRConfig]):
    """`t(f) + k(f, S) a`."""

    info = MethodInfo(
        name="proker",
        title="ProKeR",
        family="cache",
        summary="Kernel ridge regression of the zero-shot classifier's errors on the support images, in closed form.",
        version=2,
        paper="2501.11175",
        code="omarnust/BReg-Adapter",
        citation="""@inproceedings{bendou2025proker,
  title = {ProKeR: A Kernel Perspective on Few-Shot Adaptation of Large Vision-Language Models},
  author = {Bendou, Yassir and Ouasfi, Amine and Gripon, Vincent and Boukhayma, Adnane},
  booktitle = {CVPR},
  year = {2025}
}""",
        config=ProKeRConfig,
        open_vocabulary=False,
        config_by_protocol=dict.fromkeys(
            (EvalProtocol.FEW_SHOT, EvalProtocol.DOMAIN_GENERALIZATION), PUBLISHED_SETTINGS
        ),
    )

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        c = self.config
        self.text = template_ensemble(self.backbone, support.classes, c.templates)
        rows = support.views(c.views, c.crop_scale) if c.views else support.features()[None]
        self.rows = F.normalize(rows.flatten(0, 1), dim=-1)
        labels = F.one_hot(support.labels.repeat(len(rows)), len(self.text))
        self.errors = in_double(labels - self.zero_shot(self.rows))
        self.beta = of_shots(c.beta, support.shots)
        self.coefficients = next(self.solutions(self.beta, [of_shots(c.lmbda, support.shots)]))

    def zero_shot(self, image: Float[Tensor, "n dim"]) -> Float[Tensor, "n n_cls"]:
        """Zero-shot logits of normalised features."""
        logits: Tensor = self.config.logit_scale * image @ self.text.T
        return logits

    def solutions(self, beta: float, lmbdas: list[float]) -> Iterator[Float[Tensor, "n_rows n_cls"]]:
        """The coefficients a for each lambda, in double precision: a small lambda makes the system ill-conditioned."""
        rows = in_double(self.rows)
        system = kernel(rows, rows, beta)
        diagonal = system.diagonal()
        ones = diagonal.clone()
        for lmbda in lmbdas:
            diagonal.copy_(ones + lmbda)
            solved = torch.cholesky_solve(lmbda * self.errors, torch.linalg.cholesky(system))
            yield solved.to(self.rows).contiguous()

    @torch.no_grad()
    def calibrate(self, validation: SupportView) -> None:
        if self.config.selection != "validation":
            return
        image = F.normalize(validation.features(), dim=-1)
        zero_shot = self.zero_shot(image)
        betas, lmbdas = (evenly_spaced(*values) for values in (self.config.search_beta, self.config.search_lmbda))
        counts = []
        for beta in betas:
            affinity = kernel(image, self.rows, beta)
            logits = (zero_shot + affinity @ a for a in self.solutions(beta, lmbdas))
            counts.append(
                torch.stack([(grid_logits.argmax(dim=1) == validation.labels).sum() for grid_logits in logits])
            )
        grid = list(product(betas, lmbdas))
        self.tuning.evaluations += len(grid)
        self.beta, lmbda = grid[first_best(counts)]
        self.coefficients = next(self.solutions(self.beta, [lmbda]))

    def tuned_state(self) -> dict[str, Tensor]:
        """The rows with their coefficients, and beta; for an ensemble the errors that it fits instead."""
        beta = torch.tensor(self.beta, dtype=torch.float64)
        fitted = {"errors": self.errors} if self.config.selection == "ensemble" else {}
        return {"rows": self.rows, "coefficients": self.coefficients, "beta": beta, **fitted}

    def restore_tuned_state(self, classes: ClassSet, state: dict[str, Tensor]) -> None:
        self.support_classes = classes
        self.text = template_ensemble(self.backbone, classes, self.config.templates)
        self.rows, self.coefficients, self.beta = state["rows"], state["coefficients"], float(state["beta"])
        if "errors" in state:
            self.errors = state["errors"]

    def selected(self, classes: ClassSet) -> Classifier:
        return self.kernel_classifier(self.beta, self.coefficients)

    def candidates(self, classes: ClassSet) -> dict[str, Classifier]:
        """A classifier for each pair of a coarse grid over the searched range."""
        ranges = (self.config.search_beta, self.config.search_lmbda)
        betas, lmbdas = (evenly_spaced(first, last, COARSE_STEPS) for first, last, _ in ranges)
        return {
            f"beta {beta:.3g}, lambda {lmbda:.3g}": self.kernel_classifier(beta, a)
            for beta in betas
            for lmbda, a in zip(lmbdas, self.solutions(beta, lmbdas), strict=True)
        }

    def kernel_classifier(self, beta: float, coefficients: Float[Tensor, "n_rows n_cls"]) -> Classifier:
        """The classifier with a kernel of this beta and these coefficients."""

        def classify(batch: Batch) -> Tensor:
            image = F.normalize(batch.features, dim=-1)
            return self.zero_shot(image) + kernel(image, self.rows, beta) @ coefficients

        return classify


def of_shots(value: float | Sequence[tuple[int, float]], shots: int) -> float:
    """The value for that many shots: the last one listed up to them, or else the first one."""
    if not isinstance(value, Sequence):
        return value
    return next((listed for number, listed in reversed(value) if number <= shots), value[0][1])


def evenly_spaced(first: float, last: float, steps: int) -> list[float]:
    """`steps` values from `first` to `last`, in single precision as in the official code."""
    values: list[float] = torch.linspace(first, last, steps).tolist()
    return values


def kernel(x: Float[Tensor, "n dim"], y: Float[Tensor, "m dim"], beta: float) -> Float[Tensor, "n m"]:
    """`exp(-beta (1 - x y'))` of normalised rows."""
    return torch.exp(-beta * (1 - x @ y.T))
