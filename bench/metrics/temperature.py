"""Temperature scaling: calibrates the probabilities of a classifier with one factor."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

WIDEST = 5.0
"""Largest absolute log temperature."""


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> float:
    """The temperature of Guo et al. (ICML 2017): it minimises the negative log-likelihood of `logits / T`.

    A standard normal prior on log T keeps it finite if a few images are all classified correctly. With many images, the
    prior has little influence.

    Example:
        >>> logits = [[4.0, 0.0], [4.0, 0.0], [0.0, 4.0], [0.0, 4.0]]
        >>> fit_temperature(logits, [0, 1, 1, 0]) > 2  # confident, but correct only half of the time
        True
    """
    scores, truth = np.asarray(logits, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    rows = np.arange(len(truth))

    def objective(log_t: float) -> float:
        log_p = log_softmax(scores / np.exp(log_t), axis=1)
        return float(-log_p[rows, truth].sum() + 0.5 * log_t**2)

    found = minimize_scalar(objective, bounds=(-WIDEST, WIDEST), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))
