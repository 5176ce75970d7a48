"""Rank correlation: Spearman's rho with a permutation p value, and Kendall's tau-b."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr

EXACT_LIMIT = 8
"""Largest number of pairs for which the p value enumerates all n! orders (40,320 for 8 pairs)."""

_TOLERANCE = 1e-12


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation.

    Args:
        n: number of pairs.
        p: two-sided p value against no association. For n <= 8 it is exact (all orders are enumerated). For more pairs
            it comes from random orders if they were given, otherwise from the t approximation.
    """

    rho: float
    n: int
    p: float


def spearman(x: Sequence[float], y: Sequence[float], *, orders: NDArray[np.intp] | None = None) -> Correlation | None:
    """Spearman's rho with average ranks for ties. None for fewer than 3 pairs, or if all x or all y are equal.

    Random `orders` of the pairs (see `random_orders`) give the p value for more than 8 pairs; the observed order counts
    as one of them, so that p is never 0. If None, the t approximation is used. Raises ValueError if x and y differ in
    length.

    Example:
        >>> spearman([1, 2, 3, 4], [10, 20, 40, 30])  # rho = 1 - 6 (0 + 0 + 1 + 1) / (4 * 15)
        Correlation(rho=0.8, n=4, p=0.3333333333333333)
    """
    if len(x) != len(y):
        raise ValueError(f"spearman needs pairs, got {len(x)} and {len(y)} values.")
    n = len(x)
    if n < 3:
        return None
    a, b = _centred_ranks(x), _centred_ranks(y)
    norm = math.sqrt(float(a @ a) * float(b @ b))
    if norm == 0:
        return None
    rho = max(-1.0, min(1.0, float(a @ b) / norm))
    if n <= EXACT_LIMIT:
        null = b[_all_orders(n)] @ a / norm
        p = float((np.abs(null) >= abs(rho) - _TOLERANCE).mean())
    elif orders is not None:
        null = b[orders] @ a / norm
        p = float((1 + (np.abs(null) >= abs(rho) - _TOLERANCE).sum()) / (len(orders) + 1))
    elif abs(rho) == 1.0:
        p = 0.0
    else:
        p = float(2 * stdtr(n - 2, -abs(rho) * math.sqrt((n - 2) / (1 - rho * rho))))
    return Correlation(rho, n, p)


@cache
def random_orders(n: int, *, count: int = 20_000, seed: int = 20240615) -> NDArray[np.intp]:
    """Random permutations of `range(n)`, shape `(count, n)`. The seed is fixed: equal data give equal p values.

    Example:
        >>> sorted(random_orders(3, count=2)[0].tolist())
        [0, 1, 2]
    """
    generator = np.random.default_rng(seed)
    return generator.permuted(np.broadcast_to(np.arange(n), (count, n)), axis=1)


def kendall_tau(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Kendall's tau-b along the last axis; NaN if all values of one side are equal.

    Example:
        >>> float(kendall_tau([1, 2, 3], [1, 3, 2]))  # two concordant pairs, one discordant: (2 - 1) / 3
        0.3333333333333333
    """
    signs = [np.sign(x[..., :, None] - x[..., None, :]) for x in (np.asarray(first, float), np.asarray(second, float))]
    both, ours, theirs = ((a * b).sum(axis=(-2, -1)) for a, b in (signs, (signs[0], signs[0]), (signs[1], signs[1])))
    scale = np.sqrt(ours * theirs)
    tau: NDArray[np.float64] = np.divide(both, scale, out=np.full(np.shape(scale), np.nan), where=scale > 0)
    return tau


def mid_ranks(values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1, smallest first; equal values share the mean of their ranks.

    Equals `scipy.stats.rankdata`, but importing `scipy.stats` would slow down every command.

    Example:
        >>> mid_ranks([3, 1, 3]).tolist()
        [2.5, 1.0, 2.5]
    """
    _, inverse, counts = np.unique(np.asarray(values, dtype=float), return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return ranks


def _centred_ranks(values: Sequence[float]) -> NDArray[np.float64]:
    ranks = mid_ranks(values)
    ranks -= ranks.mean()
    return ranks


@cache
def _all_orders(n: int) -> NDArray[np.int8]:
    return np.array(list(itertools.permutations(range(n))), dtype=np.int8)
