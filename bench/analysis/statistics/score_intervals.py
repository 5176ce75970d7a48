"""Confidence intervals of single scores: of an accuracy, and of weighted means of accuracies, over seeds and images."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from bench.analysis.statistics.intervals import Covers, Estimate, between_images, mean_test_of_parts

_NORMAL = math.inf


def wilson(mean: float, n: float, *, df: float = _NORMAL, level: float = 0.95) -> tuple[float, float]:
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
    quantile = float(stdtrit(min(df, 1e12), 1 - (1 - level) / 2))
    spread = quantile**2 / n
    centre = (mean + spread / 2) / (1 + spread)
    reach = quantile * math.sqrt(mean * (1 - mean) / n + spread / (4 * n)) / (1 + spread)
    return max(0.0, centre - reach), min(1.0, centre + reach)


def in_groups(table: NDArray[np.float64], groups: NDArray[np.integer] | None) -> NDArray[np.float64]:
    """A table `(seeds, images)` as one of `(seeds, groups)` with the same row means; itself without groups.

    A group has the value `m + G / N * sum over its images of (y - m)`, where `m` is the table's mean, `G` the number of
    groups and `N` that of images: the linearised ratio estimator of a mean of clusters (Cochran, Sampling Techniques,
    section 9A). The variance between groups is then that of the mean, for groups of different sizes as well.

    Args:
        groups: group number of each image, `(images,)`, from 0 on.

    Example:
        >>> in_groups(np.array([[1.0, 1.0, 0.0, 0.0]]), np.array([0, 0, 1, 1])).tolist()
        [[1.0, 0.0]]
    """
    if groups is None:
        return table
    numbers = np.unique(groups, return_inverse=True)[1]
    count, mean = int(numbers.max()) + 1, float(table.mean())
    sums = np.stack([np.bincount(numbers, weights=row - mean, minlength=count) for row in table])
    values: NDArray[np.float64] = mean + sums * (count / table.shape[1])
    return values


def score_estimate(
    values: Sequence[Sequence[float]],
    tables: Sequence[Sequence[tuple[float, ArrayLike, NDArray[np.integer] | None]]],
    *,
    mean: float | None = None,
    seeded: bool = True,
    level: float = 0.95,
) -> Estimate:
    """A score on one or more datasets with its interval over seeds and test images.

    With one seed and one table of single images, this is Wilson's interval of a proportion. Otherwise the variance of
    the score is that of `grouped_t`: crossed components of seeds and images within each dataset. It is compared with
    the variance that as many independent images would have. This design effect gives an effective number of images for
    Wilson's interval, with Student's t by Satterthwaite's degrees of freedom (as for proportions of complex surveys:
    Korn and Graubard, Survey Methodology 1998; Franco et al., Journal of Survey Statistics and Methodology 2019). The
    design effect is estimated with half an image (or group) more that is always right and half of one that is always
    wrong, since it is unknown without errors. Datasets are fixed, as in all averages of a board.

    Args:
        values: for each dataset the score of each seed, 0..1.
        tables: for each dataset its sets of test images: the weight (derivative) of their accuracy in the dataset's
            score, `(seeds, images)` with whether each is classified correctly, and the group of each image or None.
        mean: the score, if it is not the mean of the datasets' means.
        seeded: whether the values depend on their seeds; if not, only the first counts.

    Example:
        >>> found = score_estimate([[0.9]], [[(1.0, [[1] * 9 + [0]], None)]])
        >>> round(found.low, 4), str(found.covers)
        (0.5958, 'test images')
    """
    by_dataset = [np.asarray(seeds if seeded else seeds[:1], dtype=float) for seeds in values]
    centre = float(np.mean([seeds.mean() for seeds in by_dataset])) if mean is None else mean
    sizes = [len(seeds) for seeds in by_dataset]
    several = min(sizes) > 1
    images, residual, grouped = 0, 0.0, False
    between: list[tuple[float, int]] = []
    units: list[tuple[float, int]] = []
    for weight, right, groups in (part for sets in tables for part in sets):
        table = np.atleast_2d(np.asarray(right, dtype=float))
        found = between_images(in_groups(table if seeded else table[:1], groups))
        between.append((weight**2 * found.variance, found.df))
        units.append((weight, found.df + 1))
        residual += weight**2 * found.residual
        images += table.shape[1]
        grouped |= groups is not None
    if len(between) == 1 and max(sizes) == 1 and not grouped:
        low, high = wilson(centre, images, level=level)
    else:
        seeds = [(float(of_seeds.var(ddof=1)) / len(of_seeds), len(of_seeds) - 1) for of_seeds in by_dataset if several]
        test = mean_test_of_parts(centre, sizes, seeds, between, residual if several else 0.0)
        count = _equal_count(units)
        effective = _effective(centre, count, test.standard_error or 0.0)
        low, high = wilson(centre, effective, df=_NORMAL if test.df is None else test.df, level=level)
    std = float(np.mean(by_dataset, axis=0).std(ddof=1)) if several and len(set(sizes)) == 1 else None
    return Estimate(centre, max(sizes), std, min(low, centre), max(high, centre), _COVERS[several, grouped], images)


_COVERS = {
    (False, False): Covers.IMAGES,
    (False, True): Covers.GROUPS,
    (True, False): Covers.SEEDS_AND_IMAGES,
    (True, True): Covers.SEEDS_AND_GROUPS,
}
"""What an interval covers, by whether it has several seeds, and groups."""


def _equal_count(units: Sequence[tuple[float, int]]) -> float:
    """The size of one set whose proportion varies like the weighted mean of some sets, by (weight, size)."""
    total = sum(weight for weight, _ in units)
    squares = sum(weight**2 / size for weight, size in units)
    return total**2 / squares if squares else float(min(size for _, size in units))


def _effective(mean: float, count: float, error: float) -> float:
    """The number of independent images (or groups) whose proportion has that standard error.

    Args:
        count: number of images or groups, as `_equal_count` has it for several sets.
    """
    more = count + 1
    shifted = (mean * count + 0.5) / more
    binomial = shifted * (1 - shifted)
    variance = ((error * count) ** 2 + 0.5 * ((1 - shifted) ** 2 + shifted**2)) / more**2
    return count * binomial / (more * variance)
