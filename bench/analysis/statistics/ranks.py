"""Comparison of methods over several datasets by their ranks: Friedman, Nemenyi and the critical difference.

After Demšar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 2006.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import chdtrc, fdtrc, ndtr

from bench.analysis.statistics.correlation import mid_ranks

_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Friedman:
    """Friedman's test of whether any method differs over `n` datasets.

    Args:
        ranks: average rank of each method, 1 is best.
        chi_square: corrected for ties; `p` comes from chi-square with k - 1 degrees of freedom.
        f: Iman and Davenport's less conservative statistic, with p value `p_f`; infinite if all datasets agree.
    """

    ranks: tuple[float, ...]
    n: int
    chi_square: float
    p: float
    f: float
    p_f: float


@dataclass(frozen=True)
class CriticalDifference:
    """The content of a critical-difference diagram.

    Args:
        names: methods, best average rank first.
        ranks: average ranks in the same order.
        difference: critical difference (Nemenyi); average ranks with a smaller difference do not differ significantly.
        cliques: maximal groups of methods without significant differences. A method in no clique differs from all.
        friedman: the test that must reject before the diagram may be interpreted.
        low_power: whether the critical difference exceeds a third of the range of ranks.
    """

    names: tuple[str, ...]
    ranks: tuple[float, ...]
    n: int
    difference: float
    cliques: tuple[tuple[str, ...], ...]
    friedman: Friedman
    low_power: bool


def friedman(scores: ArrayLike) -> Friedman:
    """Friedman's test of the hypothesis that all methods perform equally.

    The scores are `(datasets, methods)`, larger is better. Raises ValueError if there are fewer than two datasets or
    methods, or missing values.

    Example:
        >>> found = friedman([[0.9, 0.8, 0.7], [0.6, 0.5, 0.4]])  # 12 * 2 / (3 * 4) * (1 + 4 + 9 - 3 * 16 / 4)
        >>> found.ranks, found.chi_square
        ((1.0, 2.0, 3.0), 4.0)
    """
    table = np.asarray(scores, dtype=float)
    if table.ndim != 2 or min(table.shape) < 2 or not np.isfinite(table).all():
        raise ValueError(
            f"Ranks need a full table of at least 2 datasets x 2 methods, got shape {table.shape}"
            f"{'' if np.isfinite(table).all() else ' with gaps'}. Leave out datasets or methods with missing runs."
        )
    n, k = table.shape
    ranks = np.array([mid_ranks(-row) for row in table])
    average = tuple(ranks.mean(0).tolist())
    spread = float(((ranks - (k + 1) / 2) ** 2).sum())  # n k (k^2 - 1) / 12 without ties
    if spread == 0:
        return Friedman(average, n, 0.0, 1.0, 0.0, 1.0)
    chi_square = n * n * (k - 1) * float(((ranks.mean(0) - (k + 1) / 2) ** 2).sum()) / spread
    p = float(chdtrc(k - 1, chi_square))
    left = n * (k - 1) - chi_square
    if left <= _TOLERANCE:
        return Friedman(average, n, chi_square, p, math.inf, 0.0)
    f = (n - 1) * chi_square / left
    return Friedman(average, n, chi_square, p, f, float(fdtrc(k - 1, (k - 1) * (n - 1), f)))


def critical_difference(names: Sequence[str], scores: ArrayLike, *, level: float = 0.05) -> CriticalDifference:
    """Average ranks, Nemenyi's critical difference, and the groups of methods that do not differ significantly.

    Two methods differ if their average ranks differ by at least `q sqrt(k (k + 1) / (6 n))`, where q is the upper
    quantile of the studentised range of k normals *divided by sqrt 2*. With eleven datasets and ten methods that is
    4.08 of at most 9 ranks.

    Args:
        scores: `(datasets, methods)`, larger is better; one name per column. Raises ValueError as `friedman` does.
        level: family-wise error rate, 0..1.

    Example:
        >>> shown = critical_difference(["a", "b"], [[0.9, 0.8], [0.7, 0.6]])
        >>> round(shown.difference, 3), shown.cliques  # 1.960 sqrt(2 * 3 / (6 * 2)); the ranks differ by 1
        (1.386, (('a', 'b'),))
    """
    found = friedman(scores)
    if len(names) != len(found.ranks):
        raise ValueError(f"{len(names)} names for {len(found.ranks)} columns of scores; give one for each.")
    k = len(names)
    difference = nemenyi_constant(k, level=level) * math.sqrt(k * (k + 1) / (6 * found.n))
    order = sorted(range(k), key=lambda i: (found.ranks[i], names[i]))
    ranks = [found.ranks[i] for i in order]
    return CriticalDifference(
        names=tuple(names[i] for i in order),
        ranks=tuple(ranks),
        n=found.n,
        difference=difference,
        cliques=tuple(tuple(names[i] for i in order[first:last]) for first, last in _cliques(ranks, difference)),
        friedman=found,
        low_power=difference > (k - 1) / 3,
    )


@cache
def nemenyi_constant(k: int, *, level: float = 0.05) -> float:
    """Demšar's q for k >= 2 methods: the upper quantile of the studentised range (infinite df), divided by sqrt 2.

    Example:
        >>> round(nemenyi_constant(10), 3)  # Demšar's Table 5
        3.164
    """
    if k < 2:
        raise ValueError(f"{k} methods cannot be compared; give at least 2.")
    return float(brentq(lambda q: _range_below(q, k) - (1 - level), 0.0, 20.0)) / math.sqrt(2)


def _range_below(q: float, k: int) -> float:
    """P(range of k standard normals < q) = k times the integral over z of phi(z) [Phi(z + q) - Phi(z)]^(k-1)."""
    z = np.linspace(-9.0, 9.0, 3601)  # the smallest of the k normals
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    heights = k * density * (ndtr(z + q) - ndtr(z)) ** (k - 1)
    return float(np.trapezoid(heights, z))


def _cliques(ranks: Sequence[float], difference: float) -> list[tuple[int, int]]:
    """Maximal ranges [first, last) of two or more sorted ranks that differ by less than `difference`."""
    found: list[tuple[int, int]] = []
    for first in range(len(ranks)):
        last = first + 1
        while last < len(ranks) and ranks[last] - ranks[first] < difference - _TOLERANCE:
            last += 1
        if last - first > 1 and (not found or last > found[-1][1]):
            found.append((first, last))
    return found
