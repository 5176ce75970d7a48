"""Methods that choose hyper-parameters from a grid, as their setting `selection` determines."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from datasets_registry import ClassSet
from methods._base.batch import Classifier
from methods._base.method import ConfigT, Method
from methods._base.probability_ensemble import ProbabilityEnsemble

LOGITS_AT_ONCE = 2**20
"""Number of logits computed together: 4 MB, so that they stay in a processor's cache."""


def correct_by_weight(
    logits: Float[Tensor, "n n_cls"],
    added: Float[Tensor, "n n_cls"],
    weights: Sequence[float],
    labels: Int[Tensor, " n"],
) -> Int[Tensor, " n_weights"]:
    """For each weight w, the number of rows of `logits + w * added` whose largest logit is that of the label.

    The counts stay on the device, so that a search waits for a GPU once, at its end.
    """
    factors = torch.tensor(weights, dtype=logits.dtype, device=logits.device)[:, None, None]
    size = max(1, LOGITS_AT_ONCE // max(1, logits.numel()))
    return torch.cat(
        [((logits + some * added).argmax(dim=2) == labels).sum(dim=1) for some in torch.split(factors, size)]
    )


def first_best(counts: Sequence[Tensor]) -> int:
    """Index of the first maximum in the concatenated counts."""
    found: list[int] = torch.cat(list(counts)).tolist()
    return found.index(max(found))


class GridSearchMethod(Method[ConfigT]):
    """Base of the methods whose `selection` is `validation`, `fixed`, `ensemble` or `oracle`.

    A subclass searches by validation in `calibrate`.
    """

    config: Any

    @abstractmethod
    def selected(self, classes: ClassSet) -> Classifier:
        """The classifier with the fixed values, or with the values that the search found."""

    @abstractmethod
    def candidates(self, classes: ClassSet) -> dict[str, Classifier]:
        """A classifier for each point of the grid of the ensemble and the oracle."""

    def classifier(self, classes: ClassSet) -> Classifier:
        self.check_classes(classes)
        if self.config.selection == "ensemble":
            return ProbabilityEnsemble(self.candidates(classes).values())
        return self.selected(classes)

    def oracle_classifiers(self, classes: ClassSet) -> Mapping[str, Classifier]:
        if self.config.selection != "oracle":
            return {}
        self.check_classes(classes)
        return self.candidates(classes)
