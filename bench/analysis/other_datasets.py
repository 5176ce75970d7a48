"""Inference about other datasets of this kind: paired differences with the dataset as the unit. Pure."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr

from bench.statistics import MeanTest, difference_of_means, grouped_t, holm

LEVEL = 0.05
"""Family-wise level of the tests of one method against all others."""


def not_separated(values: ArrayLike) -> NDArray[np.bool_]:
    """Whether the paired difference over datasets is inconclusive, `(methods, methods)`.

    The tests of one method (a row) against all others are Holm-corrected together. With one dataset, or if a difference
    is the same on every dataset, nothing is tested, and the pair is not separated.

    Args:
        values: `(methods, datasets)`, mean over seeds, without missing values.

    Example:
        >>> not_separated([[0.9, 0.8, 0.7], [0.5, 0.41, 0.3], [0.8, 0.9, 0.7]]).tolist()
        [[False, False, True], [False, False, False], [True, False, False]]
    """
    table = np.asarray(values, dtype=float)
    methods, n = table.shape
    p = np.ones((methods, methods))
    if n > 1:
        differences = table[:, None] - table[None]
        error = differences.std(axis=2, ddof=1) / np.sqrt(n)
        tested = error > 1e-12
        np.divide(differences.mean(axis=2), error, out=p, where=tested)
        p = np.where(tested, 2 * stdtr(n - 1, -np.abs(p)), 1.0)
    off = ~np.eye(methods, dtype=bool)
    open_ = np.zeros((methods, methods), dtype=bool)
    if methods > 1:
        open_[off] = (holm(p[off].reshape(methods, methods - 1)) > LEVEL).ravel()
    return open_


def hard_minus_easy(hard: Sequence[float], easy: Sequence[float]) -> MeanTest:
    """Mean gain on hard minus easy datasets, by Welch's test over datasets; untested with fewer than two of each."""
    return difference_of_means(grouped_t([hard]), grouped_t([easy]))
