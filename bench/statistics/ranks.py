"""Methods compared over several datasets by their ranks: Wilcoxon, Friedman, Nemenyi and the critical difference.

After Demšar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 2006.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import chdtrc, fdtrc, ndtr

from bench.statistics.correlation import mid_ranks

_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Wilcoxon:
    """The signed-rank test of paired differences.

    Args:
        positive: sum of the ranks of positive differences.
        negative: sum of the ranks of negative ones.
        n: differences that are not zero.
        p: exact two-sided p value; ties share mean ranks.
    """

    positive: float
    negative: float
    n: int
    p: float


@dataclass(frozen=True)
class Friedman:
    """Whether any method differs over the datasets.

    Args:
        ranks: average rank of each method, 1 is best.
        n: datasets.
        chi_square: Friedman's statistic, corrected for ties.
        p: of it, from chi-square with k - 1 degrees of freedom.
        f: Iman and Davenport's less conservative statistic; infinite where all datasets agree.
        p_f: of it.
    """

    ranks: tuple[float, ...]
    n: int
    chi_square: float
    p: float
    f: float
    p_f: float


@dataclass(frozen=True)
class CriticalDifference:
    """What a critical-difference diagram shows.

    Args:
        names: best average rank first.
        ranks: average ranks in that order.
        n: datasets.
        difference: average ranks closer than this are not separable (Nemenyi).
        cliques: maximal runs of inseparable methods, as names; methods outside every clique stand alone.
        friedman: the test that comes first; without it the diagram claims nothing.
        low_power: the critical difference is above a third of the range of ranks, so that neighbours cannot be ordered.
    """

    names: tuple[str, ...]
    ranks: tuple[float, ...]
    n: int
    difference: float
    cliques: tuple[tuple[str, ...], ...]
    friedman: Friedman
    low_power: bool


def wilcoxon(differences: Sequence[float]) -> Wilcoxon | None:
    """Exact signed-rank test that paired differences are symmetric about zero; None where all are zero.

    Zero differences are left out, as Wilcoxon did. The null distribution is counted, not approximated, also with ties:
    with eleven datasets the smallest p is 0.00098, with five 0.0625.

    Example:
        >>> wilcoxon([1, 2, 3, 4, 5]).p
        0.0625
    """
    values = np.asarray([difference for difference in differences if difference != 0], dtype=float)
    if not len(values):
        return None
    ranks = mid_ranks(_merged(np.abs(values)))
    doubled = np.rint(2 * ranks).astype(int)  # mean ranks are halves
    total = int(doubled.sum())
    ways = np.zeros(total + 1)
    ways[0] = 1.0
    for rank in doubled:  # each rank is positive or negative with probability 1/2
        shifted = np.zeros_like(ways)
        shifted[rank:] = ways[: total + 1 - rank]
        ways = (ways + shifted) / 2
    positive = int(doubled[values > 0].sum())
    distance = np.abs(2 * np.arange(total + 1) - total)
    p = float(ways[distance >= abs(2 * positive - total)].sum())
    return Wilcoxon(positive / 2, (total - positive) / 2, len(values), min(1.0, p))


def friedman(scores: ArrayLike) -> Friedman:
    """Friedman's test that all methods are alike.

    Args:
        scores: `(datasets, methods)`, larger is better; at least two of each.

    Raises:
        ValueError: a table that is too small or has gaps.
    """
    table = np.asarray(scores, dtype=float)
    if table.ndim != 2 or min(table.shape) < 2 or not np.isfinite(table).all():
        raise ValueError(
            f"Ranks need a full table of at least 2 datasets x 2 methods, got shape {table.shape}"
            f"{'' if np.isfinite(table).all() else ' with gaps'}. Leave out datasets or methods with missing runs."
        )
    n, k = table.shape
    ranks = np.array([mid_ranks(-row) for row in table])
    average = ranks.mean(0)
    spread = float(((ranks - (k + 1) / 2) ** 2).sum())  # n k (k^2 - 1) / 12 without ties
    if spread == 0:
        return Friedman(tuple(average.tolist()), n, 0.0, 1.0, 0.0, 1.0)
    chi_square = n * n * (k - 1) * float(((average - (k + 1) / 2) ** 2).sum()) / spread
    p = float(chdtrc(k - 1, chi_square))
    left = n * (k - 1) - chi_square
    if left <= _TOLERANCE:
        return Friedman(tuple(average.tolist()), n, chi_square, p, math.inf, 0.0)
    f = (n - 1) * chi_square / left
    return Friedman(tuple(average.tolist()), n, chi_square, p, f, float(fdtrc(k - 1, (k - 1) * (n - 1), f)))


def critical_difference(names: Sequence[str], scores: ArrayLike, *, level: float = 0.05) -> CriticalDifference:
    """Average ranks, Nemenyi's critical difference and the groups that it cannot separate.

    Two methods differ where their average ranks differ by at least `q sqrt(k (k + 1) / (6 n))`, q the upper quantile
    of the studentised range of k normals *divided by sqrt 2*. With eleven datasets and ten methods that is 4.08 of at
    most 9 ranks.

    Args:
        names: one per column of the scores.
        scores: `(datasets, methods)`, larger is better.
        level: family-wise, 0..1.

    Raises:
        ValueError: see `friedman`; or a name too many or too few.
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
        cliques=tuple(
            tuple(names[order[i]] for i in range(first, last)) for first, last in _cliques(ranks, difference)
        ),
        friedman=found,
        low_power=difference > (k - 1) / 3,
    )


@cache
def nemenyi_constant(k: int, *, level: float = 0.05) -> float:
    """Demšar's q for k methods: the upper quantile of the studentised range (infinite df), divided by sqrt 2.

    Example:
        >>> round(nemenyi_constant(10), 3)
        3.164
    """
    if k < 2:
        raise ValueError(f"{k} methods cannot be compared; give at least 2.")
    return float(brentq(lambda q: _range_below(q, k) - (1 - level), 0.0, 20.0)) / math.sqrt(2)


def nemenyi_p(first: float, second: float, *, k: int, n: int) -> float:
    """Nemenyi p value of the difference of two average ranks among k methods on n datasets, adjusted for all pairs."""
    return max(0.0, 1 - _range_below(abs(first - second) * math.sqrt(12 * n / (k * (k + 1))), k))


def _range_below(q: float, k: int) -> float:
    """P(range of k standard normals < q) = k times the integral of phi(z) [Phi(z + q) - Phi(z)]^(k-1)."""
    z = np.linspace(-9.0, 9.0, 3601)  # z is the smallest of them
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    heights = k * density * (ndtr(z + q) - ndtr(z)) ** (k - 1)
    return float(np.trapezoid(heights, z))


def _cliques(ranks: Sequence[float], difference: float) -> list[tuple[int, int]]:
    """Maximal [first, last) of sorted ranks whose ends are closer than `difference`, two members or more."""
    found: list[tuple[int, int]] = []
    for first in range(len(ranks)):
        last = first + 1
        while last < len(ranks) and ranks[last] - ranks[first] < difference - _TOLERANCE:
            last += 1
        if last - first > 1 and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


def _merged(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values that differ by rounding alone made equal, so that 0.3 - 0.2 and 0.2 - 0.1 tie."""
    return np.round(values, 12)
