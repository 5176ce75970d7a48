"""Multinomial logistic regression by scipy's L-BFGS, with scikit-learn's stopping rule and starting point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from scipy.optimize import minimize
from torch import Tensor


@dataclass(frozen=True)
class LinearClassifier:
    """`W f + b` in double precision."""

    weight: Float[Tensor, "n_cls dim"]
    bias: Float[Tensor, " n_cls"]

    def __call__(self, features: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch n_cls"]:
        return features.double() @ self.weight.T + self.bias


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
