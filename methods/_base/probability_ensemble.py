"""The mean prediction of several classifiers."""

import math
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from methods._base.batch import Batch, Classifier


class ProbabilityEnsemble:
    """A classifier whose probabilities are the mean of its candidates' probabilities; its logits are their logarithm.

    It averages hyper-parameter candidates instead of choosing one, so that no labelled image is needed. Probabilities
    are averaged as in Wenzel et al., "Hyperparameter Ensembles for Robustness and Uncertainty Quantification", NeurIPS
    2020.

    Args:
        candidates: classifiers for the same classes, at least one.
    """

    def __init__(self, candidates: Iterable[Classifier]) -> None:
        self.candidates = tuple(candidates)

    def __call__(self, batch: Batch) -> Float[Tensor, "batch n_cls"]:
        total: Tensor | None = None
        for candidate in self.candidates:
            log_p = candidate(batch).log_softmax(dim=1)
            total = log_p if total is None else torch.logaddexp(total, log_p)
        assert total is not None  # there is at least one candidate
        return total - math.log(len(self.candidates))
