"""Paired tests of two classifiers, equivalence within a margin, and corrections for many tests."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, stdtr, stdtrit

LEVEL = 0.05
"""Family-wise level of the tests of a board or of a table."""


@dataclass(frozen=True)
class McNemar:
    """The McNemar test of two classifiers on the same `n` images.

    Args:
        only_a: number of images that only A classifies correctly; `only_b` likewise.
        p: exact two-sided p value against equal accuracy: A wins a discordant image with probability 1/2.
    """

    only_a: int
    only_b: int
    n: int
    p: float

    @property
    def difference(self) -> float:
        """Accuracy of A minus accuracy of B, -1..1."""
        return (self.only_a - self.only_b) / self.n


@dataclass(frozen=True)
class Equivalence:
    """Two one-sided tests (TOST) of a mean against a margin around a reference.

    Args:
        difference: mean minus reference, with the two-sided interval `low` to `high`.
        p: p value against "the difference is at least the margin"; a small p value means equality within the margin.
        margin: largest difference that counts as equal.
    """

    difference: float
    low: float
    high: float
    p: float
    margin: float
    n: int

    def equal(self, level: float = 0.05) -> bool:
        """Whether the difference is significantly smaller than the margin."""
        return self.p <= level

    @property
    def different(self) -> bool:
        """Whether the whole interval is outside the margin."""
        return self.low > self.margin or self.high < -self.margin


def mcnemar(correct_a: ArrayLike, correct_b: ArrayLike, groups: ArrayLike | None = None) -> McNemar:
    """Exact McNemar test of two classifiers on the same images, for one seed.

    The arguments, `(n,)`, are whether A and B classify each image correctly, in the same order, and the number of the
    image's group. With groups, such as the slides of a patient, the test is that of the groups' differences: each is as
    likely as its opposite if A and B are equally good, so the p value counts the signs that give at least the observed
    total (the exact form of the test of Yang, Sun and Hardin, Statistics in Medicine 2010). With groups of one image it
    is McNemar's. Raises ValueError if the arguments are empty or differ in length.

    Example:
        >>> found = mcnemar([1, 1, 1, 1, 1, 0, 1], [0, 0, 0, 0, 0, 1, 1])
        >>> found.only_a, found.only_b, round(found.p, 5)  # 2 (1 + 6) / 2^6
        (5, 1, 0.21875)
    """
    a, b = np.asarray(correct_a, dtype=bool), np.asarray(correct_b, dtype=bool)
    if a.shape != b.shape or a.ndim != 1 or not a.size:
        raise ValueError(f"McNemar's test needs one outcome of each for every image, got {a.shape} and {b.shape}.")
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    if groups is None:
        return McNemar(only_a, only_b, len(a), float(mcnemar_p(only_a, only_b)))
    numbers = np.unique(np.asarray(groups), return_inverse=True)[1]
    differences = np.bincount(numbers, weights=a.astype(float) - b).astype(int)
    return McNemar(only_a, only_b, len(a), _signs_p(np.abs(differences[differences != 0]), abs(only_a - only_b)))


def _signs_p(sizes: NDArray[np.int_], total: int) -> float:
    """Probability that the sizes with random signs add up to at least `total` in absolute value."""
    chances = np.ones(1)  # of each sum, from -reach to reach
    for size in sizes.tolist():
        apart = np.zeros(size * 2)
        chances = (np.concatenate([chances, apart]) + np.concatenate([apart, chances])) / 2
    sums = np.arange(len(chances)) - len(chances) // 2
    return float(min(1.0, chances[np.abs(sums) >= total].sum()))


def mcnemar_p(only_a: ArrayLike, only_b: ArrayLike) -> NDArray[np.float64]:
    """Exact two-sided p values, `min(1, 2 P(Binomial(a + b, 1/2) <= min(a, b)))`, element by element.

    Example:
        >>> float(mcnemar_p(0, 5))  # 2 / 2^5
        0.0625
    """
    a, b = np.asarray(only_a), np.asarray(only_b)
    p: NDArray[np.float64] = np.minimum(1.0, 2 * bdtr(np.minimum(a, b), a + b, 0.5))
    return p


def equivalence(
    values: Sequence[float], *, margin: float, reference: float = 0.0, level: float = 0.95
) -> Equivalence | None:
    """Whether a mean equals a reference within a margin (TOST). None for a single value, whose spread is unknown.

    Args:
        values: independent repetitions, such as one accuracy per seed.
        margin: largest difference that counts as equal, above 0, in the unit of the values; 0.01 is one point.
        reference: number to compare with, taken as exact.
        level: confidence level of the two-sided interval that is reported with the test.

    Example:
        >>> found = equivalence([0.70, 0.71, 0.72], margin=0.02, reference=0.70)  # t = (0.01 - 0.02) / (0.01 / sqrt 3)
        >>> round(found.difference, 6), round(found.p, 4), found.equal()
        (0.01, 0.1127, False)
    """
    if margin <= 0:
        raise ValueError(f"Margin {margin} does not define equality; give a positive one, such as 0.01.")
    ordered = np.sort(np.asarray(values, dtype=float))
    n = len(ordered)
    if n < 2:
        return None
    difference = float(ordered.mean()) - reference
    error = float(ordered.std(ddof=1)) / math.sqrt(n)
    reach = float(stdtrit(n - 1, (1 + level) / 2)) * error
    if error == 0:
        p = 0.0 if abs(difference) < margin else 1.0
    else:
        p = float(stdtr(n - 1, (abs(difference) - margin) / error))  # the larger of the two one-sided p values
    return Equivalence(difference, difference - reach, difference + reach, p, margin, n)


@dataclass(frozen=True)
class RankRange:
    """The possible ranks of a method among k methods.

    `best` is 1 + the number of methods that are significantly better, `worst` is k - the number that are significantly
    worse. Four methods without any significant difference all have the range 1-4.
    """

    name: str
    best: int
    worst: int

    def __str__(self) -> str:
        return str(self.best) if self.best == self.worst else f"{self.best}–{self.worst}"


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Holm's adjusted p values. Rejecting at a level controls the family-wise error rate at that level.

    The values are `(..., m)`, a family of m tests along the last axis. Raises ValueError if one is outside 0..1 or NaN.

    Example:
        >>> holm([0.01, 0.04, 0.03]).tolist()  # 3 * 0.01, 2 * 0.03, and never below the previous one
        [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=float)
    if p.size and not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"p values are 0..1, got {p.min()} to {p.max()}; leave out tests that were not made.")
    m, order = p.shape[-1], np.argsort(p, axis=-1, kind="stable")
    stepped = np.maximum.accumulate(np.take_along_axis(p, order, -1) * np.arange(m, 0, -1), axis=-1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.minimum(stepped, 1.0), -1)
    return adjusted


def rank_ranges(names: Sequence[str], better: Mapping[tuple[str, str], bool]) -> list[RankRange]:
    """The range of ranks of each method, in the order of the names.

    `better` is true for (a, b) if a is significantly better than b. Missing pairs count as not significant.

    Example:
        >>> [str(found) for found in rank_ranges(["a", "b", "c"], {("a", "b"): True, ("a", "c"): True})]
        ['1', '2–3', '2–3']
    """
    k = len(names)
    return [
        RankRange(
            name,
            1 + sum(better.get((other, name), False) for other in names),
            k - sum(better.get((name, other), False) for other in names),
        )
        for name in names
    ]
