"""Spearman's rank correlation, with a p value that is exact, approximate or from random orders."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

EXACT_LIMIT = 8
"""Up to this many pairs all n! orders are enumerated (40,320 for 8); above it the t approximation is close enough."""

_TOLERANCE = 1e-12


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation.

    Args:
        rho: -1..1.
        n: pairs.
        p: two-sided p value against no association; exact (all orders counted) for n <= 8, above it from random orders
            where a generator was given and from the t approximation otherwise.
    """

    rho: float
    n: int
    p: float

    def beyond_chance(self, level: float = 0.05) -> bool:
        """Whether |rho| reaches the two-sided critical value of that level (equivalently p <= level)."""
        return self.p <= level


def spearman(x: Sequence[float], y: Sequence[float], *, orders: NDArray[np.intp] | None = None) -> Correlation | None:
    """Spearman's rho with average ranks for ties, or None for fewer than 3 pairs or a constant side.

    Args:
        x: one side.
        y: the other side, of the same length.
        orders: random orders of the pairs for the p value of more than 8 of them, see `random_orders`; the observed
            order counts as one of them, so that p is never 0. Without them the t approximation.

    Example:
        >>> spearman([1, 2, 3, 4], [10, 20, 30, 40]).rho
        1.0
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
        null = b[_orders(n)] @ a / norm
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
    """`(count, n)`: orders of n things, the same ones each time, shared by all tests of that size."""
    generator = np.random.default_rng(seed)
    return generator.permuted(np.broadcast_to(np.arange(n), (count, n)), axis=1)


def mid_ranks(values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1, smallest first; equal values share the mean of their ranks.

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
def _orders(n: int) -> NDArray[np.int8]:
    return np.array(list(itertools.permutations(range(n))), dtype=np.int8)
