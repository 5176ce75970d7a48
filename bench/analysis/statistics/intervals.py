"""Confidence intervals of a mean: over seeds, over seeds within datasets, and over test images and seeds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

from bench.analysis.statistics.seed_variance import shrunk_variances, variances_of_mean

ROUNDING = 1e-12
"""A standard error of fractions up to this size is that of rounding, and not a spread."""


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
        """Distances of the mean to both ends; the larger for both if they differ by up to a tenth within 0..1."""
        if self.low is None or self.high is None or self.half_width is None:
            return None
        below, above = self.mean - self.low, self.high - self.mean
        half = self.half_width
        alike = min(below, above) >= 0.9 * half and (self.mean - half >= 0 or self.low < 0)
        return (half, half) if alike and (self.mean + half <= 1 or self.high > 1) else (below, above)

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
        groups: number of groups, such as datasets.
        standard_error: standard error of the mean, above 0; None if it is unknown, because some group has a single
            value and no images, or because nothing varied.
        df: degrees of freedom (Satterthwaite). Without a standard error, they, the interval and `p` are None.
        p: two-sided p value against a mean of zero.
        image_error: the part of the standard error that more seeds would not reduce; 0 without images.
        smallest_group: number of values of the smallest group.
        paired: whether the seeds of two methods are paired in every group; else the noise of both adds up.
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

    @classmethod
    def from_error(
        cls, mean: float, n: int, groups: int, error: float, df: float, level: float = 0.95, *, image_error: float = 0.0
    ) -> MeanTest:
        """The test of a mean with a given standard error and degrees of freedom; `level` is that of the interval."""
        reach = float(stdtrit(df, 1 - (1 - level) / 2)) * error
        found = cls(mean, n, groups, error, df, mean - reach, mean + reach, image_error=image_error)
        return replace(found, p=found.p_against(0.0))

    def p_against(self, value: float) -> float | None:
        """Two-sided p value against the mean `value`; None without a standard error."""
        if self.standard_error is None or self.df is None:
            return None
        return float(2 * stdtr(self.df, -abs(self.mean - value) / self.standard_error))

    @property
    def clear(self) -> bool:
        """Whether the interval does not contain 0; false without one."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high

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


def grouped_t(
    groups: Sequence[Sequence[float]], images: Sequence[Sequence[ArrayLike]] = (), *, level: float = 0.95
) -> MeanTest:
    """The mean of the group means, tested against zero with the noise *within* the groups alone.

    This tests the difference of two methods over the datasets of a board. The datasets are fixed, not a sample, so the
    variation of the difference between them is not noise. With G groups of S values and variances s_g^2, the squared
    standard error is sum_g s_g^2 / S / G^2 with Satterthwaite's degrees of freedom. Eleven datasets with three seeds
    each give about 20 degrees of freedom; averaging over datasets first would leave two.

    With `images`, the choice of test images is noise as well as the seeds. The squared standard error is then the
    variance between the N images of each table, var_i(mean over seeds) / N, plus the variance of the seeds beyond the
    residual of a two-way analysis of variance, sum_g s_g^2 / S - sum MS_residual / (S N), if that is above zero. The
    s_g^2 are `variances_of_mean`, with S - 1 degrees of freedom each. In simulations, 95 % intervals cover the mean
    93-97 % of the time from two seeds and two groups on, with and without an effect of the seed, and for values that do
    not depend on the seed.

    Args:
        groups: for each dataset one value per seed; ValueError if there is no group, or a group is empty.
        images: for each dataset its tables `(seeds, images)`, one per set of test images. The row means of its tables
            add up to the dataset's values, up to a constant: `correct_a - correct_b`, times a weight for a mean of
            several accuracies.
        level: confidence level of the interval, 0..1.

    Example:
        >>> found = grouped_t([[0.01, 0.03], [0.02, 0.04]])  # s_g^2 = 0.0002 in both groups
        >>> found.mean, round(found.standard_error, 6), round(found.df, 6)  # sqrt(2 * 0.0002 / 2) / 2
        (0.025, 0.007071, 2.0)
        >>> found = grouped_t([[0.25]], [[[[1, 0, 0, 0]]]])  # one seed, four images: sqrt(0.25 / 4)
        >>> found.standard_error
        0.25
    """
    return mean_of_groups(_groups(groups, images), level=level)


ADDED_TO_DIFFERENCES = 1.0
"""Sum of squares of half an image that only A and half of one that only B classifies correctly (Agresti, Min 2005)."""


def group_tests(
    groups: Sequence[Sequence[float]],
    images: Sequence[Sequence[ArrayLike]] = (),
    *,
    added: float = ADDED_TO_DIFFERENCES,
    level: float = 0.95,
) -> list[MeanTest]:
    """The test of the mean of each group, with the variance between its seeds shrunk by `shrunk_variances`.

    In simulations with two or more groups, 95 % intervals of a difference on one dataset cover it 92-98 % of the time
    with two seeds and 94-98 % with more; more often if both methods err on hardly any image.

    Args:
        groups: as for `grouped_t`; `images` and `level` likewise.
        added: sum of squares to add to the deviations of the images of each table, which would be 0 if two methods
            agree on the few images there are.

    Example:
        >>> (found,) = group_tests([[0.0]], [[[[0.0] * 28]]])  # the same answers on 28 images: sqrt(1 / 28 / 27)
        >>> found.mean, round(found.standard_error, 4)
        (0.0, 0.0364)
    """
    return separate_tests(_groups(groups, images, added), level=level)


class Group(NamedTuple):
    """The mean of a group, such as a dataset, and its noise.

    Args:
        size: number of values (seeds).
        seeds: variance of the mean between seeds, s^2 / S; 0 for one seed.
        df: degrees of freedom of `seeds`, S - 1.
        residual: share of the residual in `seeds`.
        images: for each table, the variance of its mean over images, and its degrees of freedom.
        paired: whether the values are differences of runs with the same seed.
    """

    mean: float
    size: int
    seeds: float
    df: float
    residual: float
    images: Sequence[tuple[float, int]]
    paired: bool = True

    @property
    def of_seeds(self) -> tuple[float, float, float, float]:
        """The arguments of `shrunk_variances`."""
        return self.seeds, self.df, self.residual, sum(variance * (df + 1) for variance, df in self.images)


def group_of(values: Sequence[float], tables: Sequence[ArrayLike] = (), added: float = 0.0) -> Group:
    """The group with these values, one per seed, and tables as for `grouped_t`; `added` as for `group_tests`."""
    ordered = sorted(map(float, values))  # sorted: sums must not depend on the order of seeds
    size, centre = len(ordered), sum(ordered) / len(ordered)
    seeds = sum((value - centre) ** 2 for value in ordered) / (size - 1) / size if size > 1 else 0.0
    found = [between_images(np.asarray(table, dtype=float), added) for table in tables]
    parts = [(part.variance, part.df) for part in found]
    return Group(centre, size, seeds, size - 1, sum(part.residual for part in found), parts)


def unpaired_group(a: Group, b: Group, tables: Sequence[ArrayLike] = (), added: float = 0.0) -> Group:
    """The difference of two methods that ran with different seeds on the same images.

    The variances between their seeds add up, with Welch's degrees of freedom. The images are paired.

    Args:
        tables: for each set of test images the means over seeds of A minus those of B, `(1, images)`.

    Example:
        >>> found = unpaired_group(group_of([0.8, 0.9]), group_of([0.4, 0.6, 0.5]))
        >>> round(found.mean, 6), round(found.seeds, 6), found.size, round(found.df, 3)  # 0.0025 + 0.01 / 3
        (0.35, 0.005833, 2, 2.882)
    """
    parts = [(one.seeds, one.df) for one in (a, b) if one.seeds > 0]
    seeds = a.seeds + b.seeds
    df = seeds**2 / sum(part**2 / freedom for part, freedom in parts) if parts else a.df + b.df
    shared = group_of([a.mean - b.mean], tables, added)
    size = min(one.size for one in (a, b) if one.df or not (a.df or b.df))
    return Group(shared.mean, size, seeds, df, a.residual + b.residual, shared.images, paired=False)


def mean_of_groups(groups: Sequence[Group], *, level: float = 0.95) -> MeanTest:
    """`grouped_t` of groups that are known already."""
    seeds = variances_of_mean(*zip(*(group.of_seeds for group in groups), strict=True)).tolist()
    return _test_of(groups, [(variance, one.df) for variance, one in zip(seeds, groups, strict=True) if one.df], level)


def separate_tests(groups: Sequence[Group], *, level: float = 0.95) -> list[MeanTest]:
    """`group_tests` of groups that are known already."""
    seeds, prior = shrunk_variances(*zip(*(group.of_seeds for group in groups), strict=True))
    parts = zip(groups, seeds.tolist(), prior.tolist(), strict=True)
    return [_test_of([one], [(variance, one.df + more)] if one.df else [], level) for one, variance, more in parts]


def _test_of(groups: Sequence[Group], seeds: Sequence[tuple[float, float]], level: float) -> MeanTest:
    """The test of the mean of the groups' means, with the variances between their seeds."""
    images = [part for group in groups for part in group.images]
    mean, residual = sum(group.mean for group in groups) / len(groups), sum(group.residual for group in groups)
    found = mean_test_of_parts(mean, [group.size for group in groups], seeds, images, residual, level=level)
    return replace(found, paired=all(group.paired for group in groups))


def _groups(
    groups: Sequence[Sequence[float]], images: Sequence[Sequence[ArrayLike]], added: float = 0.0
) -> list[Group]:
    if not groups or any(len(group) == 0 for group in groups):
        raise ValueError(f"Sizes {[len(group) for group in groups]}: every group needs a value. Drop the empty ones.")
    tables = images or [[] for _ in groups]
    return [group_of(group, of_group, added) for group, of_group in zip(groups, tables, strict=True)]


def mean_test_of_parts(
    mean: float,
    sizes: Sequence[int],
    seeds: Iterable[tuple[float, float]],
    images: Iterable[tuple[float, int]] = (),
    residual: float = 0.0,
    *,
    level: float = 0.95,
) -> MeanTest:
    """`grouped_t` from the variances of its sums of squares.

    Args:
        sizes: number of values of each group.
        seeds: for each group with two or more values, the variance of its mean between seeds and its degrees of
            freedom.
        images: for each table, the variance of its mean over images, and its degrees of freedom.
        residual: sum of the shares of the residual in the tables' variances between seeds.
    """
    seeds, images = list(seeds), list(images)
    found = error_of_parts(len(sizes), seeds, images, residual) if images or min(sizes) > 1 else None
    if found is None:
        return MeanTest(mean, sum(sizes), len(sizes), smallest_group=min(sizes))
    image_error = math.sqrt(max(0.0, sum(variance for variance, _ in images) - residual)) / len(sizes)
    test = MeanTest.from_error(mean, sum(sizes), len(sizes), *found, level, image_error=image_error)
    return replace(test, smallest_group=min(sizes))


def error_of_parts(
    groups: int, seeds: Sequence[tuple[float, float]], images: Sequence[tuple[float, int]], residual: float
) -> tuple[float, float] | None:
    """Standard error and degrees of freedom of `mean_test_of_parts`; None if nothing varied."""
    images_variance = sum(variance for variance, _ in images)
    beyond = sum(variance for variance, _ in seeds) - residual
    parts = [*images, *seeds] if beyond > 0 else images
    squared_error = (images_variance + max(0.0, beyond)) / groups**2
    if squared_error <= ROUNDING**2:
        return None
    df = squared_error**2 / (sum(variance**2 / freedom for variance, freedom in parts) / groups**4)
    return math.sqrt(squared_error), df


class BetweenImages(NamedTuple):
    """The variance of a table's mean due to its images, its degrees of freedom, and the share of the residual in it."""

    variance: float
    df: int
    residual: float


def between_images(table: NDArray[np.float64], added: float = 0.0) -> BetweenImages:
    """The noise of the images of a table `(seeds, images)`; there is no residual with a single seed.

    The variance is `var_i(mean over seeds) / N`, with `added` to the sum of squares of the images. The residual is the
    share of a two-way analysis of variance in the variance between the row means, `MS_residual / (S N)`. Raises
    ValueError for fewer than two images.
    """
    n_seeds, n_images = table.shape
    if n_images < 2:
        raise ValueError(f"A table of {n_images} test images has no spread between images; give at least two.")
    by_image = np.add.reduce(table, 0) / n_seeds
    centre = np.add.reduce(by_image) / n_images
    centred = by_image - centre
    variance = (float(np.dot(centred, centred)) + added) / (n_images - 1)
    freedom = (n_seeds - 1) * (n_images - 1)
    share = 0.0
    if freedom:
        residual = table - by_image
        residual -= (np.add.reduce(residual, 1) / n_images)[:, None]
        share = float(np.vdot(residual, residual)) / freedom / (n_seeds * n_images)
    return BetweenImages(variance / n_images, n_images - 1, share)


def difference_of_means(first: MeanTest, second: MeanTest) -> MeanTest:
    """The difference of two independent means, with Welch's degrees of freedom; untested if one mean is untested.

    Example:
        >>> found = difference_of_means(grouped_t([[3.0, 5.0]]), grouped_t([[1.0, 1.5]]))
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
