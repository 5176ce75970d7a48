"""Is A better than B, are they equal, and how much data would tell: tests of paired outcomes and their power."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import bdtr, nctdtr, ndtri, stdtr, stdtrit

from bench.statistics.intervals import MeanTest

_MOST_SEEDS = 10_000


@dataclass(frozen=True)
class McNemar:
    """Two classifiers on the same images.

    Args:
        only_a: images that A alone gets right.
        only_b: images that B alone gets right.
        n: all images.
        p: exact two-sided p value: whether a flipped image falls to either side with probability 1/2.
    """

    only_a: int
    only_b: int
    n: int
    p: float

    @property
    def difference(self) -> float:
        """Accuracy of A minus that of B."""
        return (self.only_a - self.only_b) / self.n


@dataclass(frozen=True)
class Equivalence:
    """Two one-sided tests (TOST) of a mean against a margin around a reference.

    Args:
        difference: mean minus reference.
        low: lower end of the two-sided interval.
        high: upper end.
        p: of "the difference is at least the margin"; small means equal within the margin.
        margin: half-width of what counts as equal.
        n: values.
    """

    difference: float
    low: float
    high: float
    p: float
    margin: float
    n: int

    def equal(self, level: float = 0.05) -> bool:
        """Whether the difference is shown to be inside the margin."""
        return self.p <= level

    @property
    def apart(self) -> bool:
        """Whether the whole interval lies outside the margin."""
        return self.low > self.margin or self.high < -self.margin


def mcnemar(correct_a: ArrayLike, correct_b: ArrayLike) -> McNemar:
    """Exact McNemar test of two classifiers on the same images, within one seed.

    Args:
        correct_a: `(n,)` whether A is right.
        correct_b: `(n,)` the same of B, image by image.

    Raises:
        ValueError: lists of different lengths, or empty ones.
    """
    a, b = np.asarray(correct_a, dtype=bool), np.asarray(correct_b, dtype=bool)
    if a.shape != b.shape or a.ndim != 1 or not a.size:
        raise ValueError(f"McNemar's test needs one outcome of each for every image, got {a.shape} and {b.shape}.")
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    return McNemar(only_a, only_b, len(a), float(mcnemar_p(only_a, only_b)))


def mcnemar_p(only_a: ArrayLike, only_b: ArrayLike) -> NDArray[np.float64]:
    """Exact two-sided p values, `min(1, 2 P(Binomial(a + b, 1/2) <= min(a, b)))`, element by element.

    Example:
        >>> float(mcnemar_p(0, 5))
        0.0625
    """
    a, b = np.asarray(only_a), np.asarray(only_b)
    p: NDArray[np.float64] = np.minimum(1.0, 2 * bdtr(np.minimum(a, b), a + b, 0.5))
    return p


def equivalence(
    values: Sequence[float], *, margin: float, reference: float = 0.0, level: float = 0.95
) -> Equivalence | None:
    """Whether a mean equals a reference within a margin (TOST); None for one value, whose spread is unknown.

    Args:
        values: independent repetitions, such as one accuracy per seed.
        margin: what still counts as equal, in the unit of the values; 0.01 is one percentage point.
        reference: number to compare with, taken as exact.
        level: of the two-sided interval that is reported beside the test.

    Raises:
        ValueError: a margin that is not positive.
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


def detectable_between_classifiers(
    n_images: int, discordant: float, *, power: float = 0.8, level: float = 0.05
) -> float:
    """Smallest accuracy difference that McNemar's test finds with that power, as a fraction.

    Solves `delta sqrt(n) = z_(1 - level/2) sqrt(d) + z_power sqrt(d - delta^2)`. With 10 % discordant images: 0.40
    percentage points on ImageNet (50,000), 2.15 on DTD (1,692).

    Args:
        n_images: test images.
        discordant: share d of images that exactly one of the two gets right.
        power: probability of finding it.
        level: of the two-sided test.
    """
    if n_images < 1 or not 0 <= discordant <= 1:
        raise ValueError(f"{n_images} images with a discordant share of {discordant}: give at least 1, and 0..1.")
    alpha, beta = float(ndtri(1 - level / 2)), float(ndtri(power))
    root = math.sqrt(discordant)
    # (delta sqrt n - alpha root)^2 = beta^2 (d - delta^2), a quadratic in delta
    a, b, c = n_images + beta**2, -2 * alpha * root * math.sqrt(n_images), discordant * (alpha**2 - beta**2)
    return (-b + math.sqrt(max(0.0, b * b - 4 * a * c))) / (2 * a)


def t_power(effect: float, std: float, n: int, *, level: float = 0.05) -> float:
    """Power of the two-sided one-sample (or paired) t test: the probability that it finds a mean of `effect`."""
    if n < 2:
        return 0.0
    if std == 0:
        return 1.0 if effect else level
    critical, shift = float(stdtrit(n - 1, 1 - level / 2)), abs(effect) / std * math.sqrt(n)
    missed = float(nctdtr(n - 1, shift, critical))
    other_side = float(nctdtr(n - 1, shift, -critical)) if shift < 5 else 0.0
    return 1 - missed + other_side


def detectable_effect(std: float, n: int, *, power: float = 0.8, level: float = 0.05) -> float | None:
    """Smallest mean that the t test over n seeds finds with that power; None below two seeds.

    Args:
        std: sample standard deviation of the values (for a comparison: of the paired differences).
        n: seeds.
        power: probability of finding it.
        level: of the two-sided test.
    """
    if n < 2:
        return None
    if std == 0:
        return 0.0
    bound = 1.0
    while t_power(bound, 1.0, n, level=level) < power:
        bound *= 2
    return std * float(brentq(lambda effect: t_power(effect, 1.0, n, level=level) - power, 1e-9, bound))


def seeds_needed(effect: float, std: float, *, power: float = 0.8, level: float = 0.05) -> int | None:
    """Seeds with which the t test finds that effect with that power; None for no effect, or beyond 10,000.

    Args:
        effect: mean difference to be found.
        std: standard deviation of the paired differences between seeds.
        power: probability of finding it.
        level: of the two-sided test.
    """
    if effect == 0:
        return None
    low, high = 1, 2
    while t_power(effect, std, high, level=level) < power:
        low, high = high, 2 * high
        if low > _MOST_SEEDS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if t_power(effect, std, middle, level=level) >= power else (middle, high)
    return high


def grouped_power(test: MeanTest, effect: float, factor: float = 1.0, *, level: float = 0.05) -> float | None:
    """Power of the grouped t test for a mean of `effect`, had every group `factor` times as many values.

    Args:
        test: made with the present values; its standard error and degrees of freedom are taken as known.
        effect: mean to be found.
        factor: of the values per group; the error shrinks with its root, the freedom grows with it.
        level: of the two-sided test.

    Returns:
        None where the spread is unknown.
    """
    if test.standard_error is None or test.df is None:
        return None
    if test.standard_error == 0:
        return 1.0 if effect else level
    per_group = test.n / test.groups
    df = test.df * max(per_group * factor - 1, 1e-9) / max(per_group - 1, 1e-9)
    critical = float(stdtrit(df, 1 - level / 2))
    shift = abs(effect) / test.standard_error * math.sqrt(factor)
    if shift > critical + 8:  # beyond what the noncentral distribution is computed for
        return 1.0
    return 1 - float(nctdtr(df, shift, critical))


def detectable_difference(test: MeanTest, *, power: float = 0.8, level: float = 0.05) -> float | None:
    """Smallest mean that the grouped t test would find with the values there are; None where the spread is unknown."""
    if test.standard_error is None:
        return None
    if test.standard_error == 0:
        return 0.0
    low, high = 0.0, test.standard_error
    while (grouped_power(test, high, level=level) or 0.0) < power:
        low, high = high, 2 * high
    return float(brentq(lambda effect: (grouped_power(test, effect, level=level) or 0.0) - power, low, high))


def grouped_seeds_needed(test: MeanTest, *, power: float = 0.8, level: float = 0.05) -> int | None:
    """Values per group with which the mean found would be told from zero; None for no mean, spread, or beyond 1,000."""
    if test.mean == 0 or test.standard_error is None:
        return None
    per_group = test.n / test.groups
    for seeds in range(2, 1001):
        if (grouped_power(test, test.mean, seeds / per_group, level=level) or 0.0) >= power:
            return seeds
    return None
