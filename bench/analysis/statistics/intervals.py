"""The results of statistics, a score with its interval and a tested mean, and the intervals of single samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit

from bench import score_texts

ROUNDING = 1e-12
"""A standard error of fractions up to this size is that of rounding, and not a spread."""
PRINTED = 0.00045
"""The smallest difference of accuracies that is not printed as 0.0 points: these are rounded from hundredths."""


class Covers(StrEnum):
    """What varies between the repetitions that an interval of a score is about.

    `IMAGES`: the accuracy of these trained models on images like these. `SEEDS`: the expected score over draws and
    trainings on these images. `SEEDS_AND_IMAGES`: the expected score over draws, trainings and images.
    With groups, such as the slides of a patient, whole groups vary instead of images.
    """

    IMAGES = "test images"
    GROUPS = "groups of test images"
    SEEDS = "seeds"
    SEEDS_AND_IMAGES = "seeds and test images"
    SEEDS_AND_GROUPS = "seeds and groups of test images"


@dataclass(frozen=True)
class Estimate:
    """A mean of `n` values, one per seed, with its 95 % interval.

    Args:
        mean: arithmetic mean; for H see `bench.analysis.leaderboard.Cell`.
        std: sample standard deviation between seeds (divisor n - 1); None for a single value.
        low: lower end of the interval, which may be nearer to the mean than `high`; both are None if it is unknown.
        covers: what the interval covers; None without one.
        images: number of test images that the mean is over; None if it is unknown, or not a mean over images.
    """

    mean: float
    n: int
    std: float | None = None
    low: float | None = None
    high: float | None = None
    covers: Covers | None = None
    images: int | None = None

    @property
    def half_width(self) -> float | None:
        """Distance of the mean to the farther end of the interval, or None."""
        return None if self.low is None or self.high is None else max(self.mean - self.low, self.high - self.mean)

    @property
    def sides(self) -> tuple[float, float] | None:
        """Distances of the mean to both ends, as they are printed; None without an interval."""
        return score_texts.sides(self.mean, self.low, self.high)

    def within(self, least: float = 0.0, most: float = 1.0) -> Estimate:
        """The same estimate with an interval that does not leave the range of the score."""
        if self.low is None or self.high is None:
            return self
        return replace(self, low=max(self.low, least), high=min(self.high, most))


@dataclass(frozen=True)
class MeanTest:
    """A mean with its Student-t interval and the test against zero.

    Args:
        mean: mean of the group means.
        n: number of values, such as seeds, over all groups.
        groups: number of groups, such as datasets.
        standard_error: standard error of the mean, above 0; None if it is unknown, because some group has a single
            value and no images, or because nothing varied.
        df: degrees of freedom (Satterthwaite). Without a standard error, they, the interval and `p` are None.
        p: two-sided p value against a mean of zero.
        image_error: the part of the standard error that more seeds would not reduce; 0 without images.
        smallest_group: number of values of the smallest group.
        paired: whether the seeds of two methods are paired in every group; else the noise of both adds up.
        shared_training: whether each run is tested on all groups, so that its seed has one effect on all.
    """

    mean: float
    n: int
    groups: int
    standard_error: float | None = None
    df: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    image_error: float = 0.0
    smallest_group: int = 1
    paired: bool = True
    shared_training: bool = False

    @classmethod
    def from_error(
        cls, mean: float, n: int, groups: int, error: float, df: float, level: float = 0.95, *, image_error: float = 0.0
    ) -> MeanTest:
        """The test of a mean with a given standard error and degrees of freedom; `level` is that of the interval."""
        reach = float(stdtrit(df, 1 - (1 - level) / 2)) * error
        test = cls(mean, n, groups, error, df, mean - reach, mean + reach, image_error=image_error)
        return replace(test, p=test.p_against(0.0))

    def p_against(self, value: float) -> float | None:
        """Two-sided p value against the mean `value`; None without a standard error."""
        if self.standard_error is None or self.df is None:
            return None
        return float(2 * stdtr(self.df, -abs(self.mean - value) / self.standard_error))

    @property
    def clear(self) -> bool:
        """Whether the interval of a difference does not contain 0, nor end so near that 0.0 points are printed."""
        return self.low is not None and self.high is not None and (self.low >= PRINTED or self.high <= -PRINTED)

    def within(self, least: float = -1.0, most: float = 1.0) -> MeanTest:
        """The same test with its mean and interval within a range; by default that of a difference.

        Example:
            >>> found = MeanTest.from_error(0.9, 2, 1, 0.1, 10).within(0.0, 1.0)
            >>> round(found.low, 2), found.high
            (0.68, 1.0)
        """
        ends = [None if end is None else min(max(end, least), most) for end in (self.low, self.high)]
        return replace(self, mean=min(max(self.mean, least), most), low=ends[0], high=ends[1])

    def negated(self) -> MeanTest:
        """The test of B - A, where this is the test of A - B."""
        low, high = self.low, self.high
        return replace(self, mean=-self.mean, low=None if high is None else -high, high=None if low is None else -low)


def student_t(values: Sequence[float], *, level: float = 0.95, mean: float | None = None) -> Estimate:
    """Mean, sample standard deviation and two-sided Student-t interval of independent values.

    The half-width is t(1 - (1 - level) / 2, n - 1) * s / sqrt(n). With three seeds that is 2.48 s. The normal formula
    with the population standard deviation would give 0.92 s and cover the mean only about 75 % of the time.

    Args:
        values: at least one finite number, else ValueError.
        level: confidence level, 0..1.
        mean: value to report as the mean, for a statistic that is not the arithmetic mean of the values (such as H).

    Example:
        >>> found = student_t([0.7, 0.8, 0.9])  # s = 0.1, t = 4.303 with 2 degrees of freedom
        >>> round(found.mean, 3), round(found.half_width, 3)
        (0.8, 0.248)
    """
    if not values:
        raise ValueError("An interval needs at least one value, got none. Drop the empty cell instead.")
    ordered = np.sort(np.asarray(values, dtype=float))  # sorted: the sum must not depend on the order of rows
    n = len(ordered)
    centre = float(ordered.mean()) if mean is None else mean
    if n == 1:
        return Estimate(centre, 1)
    std = float(ordered.std(ddof=1))
    reach = float(stdtrit(n - 1, 1 - (1 - level) / 2)) * std / math.sqrt(n)
    return Estimate(centre, n, std, centre - reach, centre + reach, Covers.SEEDS)


def wilson(mean: float, n: float, *, df: float = math.inf, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion (Wilson, JASA 1927), within 0..1.

    Its coverage is close to the level on average, for small `n` and for proportions near 0 and 1 as well, where the
    normal interval has far too little and the exact one too much (Brown, Cai and DasGupta, Statistical Science 2001).

    Args:
        n: number of images, or the effective number, above 0.
        df: degrees of freedom of an estimated effective number; Student's t then replaces the normal quantile.

    Example:
        >>> low, high = wilson(0.9, 10)
        >>> round(low, 4), round(high, 4)  # published: 0.5958 to 0.9821
        (0.5958, 0.9821)
    """
    chance = 1 - (1 - level) / 2
    quantile = float(ndtri(chance) if df == math.inf else stdtrit(df, chance))
    spread = quantile**2 / n
    centre = (mean + spread / 2) / (1 + spread)
    reach = quantile * math.sqrt(mean * (1 - mean) / n + spread / (4 * n)) / (1 + spread)
    return max(0.0, centre - reach), min(1.0, centre + reach)


def difference_of_means(first: MeanTest, second: MeanTest) -> MeanTest:
    """The difference of two independent means, with Welch's degrees of freedom; untested if one mean is untested.

    Example:
        >>> first, second = MeanTest.from_error(4.0, 2, 1, 1.0, 1), MeanTest.from_error(1.25, 2, 1, 0.25, 1)
        >>> found = difference_of_means(first, second)
        >>> found.mean, round(found.df, 3)  # (1 + 1/16)^2 / (1 + 1/256)
        (2.75, 1.125)
    """
    mean, n, groups = first.mean - second.mean, first.n + second.n, first.groups + second.groups
    if first.standard_error is None or second.standard_error is None or first.df is None or second.df is None:
        return MeanTest(mean, n, groups, smallest_group=min(first.smallest_group, second.smallest_group))
    parts = first.standard_error**2, second.standard_error**2
    variance = sum(parts)
    df = variance**2 / (parts[0] ** 2 / first.df + parts[1] ** 2 / second.df)
    return MeanTest.from_error(mean, n, groups, math.sqrt(variance), df)
