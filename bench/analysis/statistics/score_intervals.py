"""Confidence intervals of single scores: of an accuracy, and of weighted means of accuracies, over seeds and images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, stdtrit

from bench.analysis.statistics.intervals import Covers, Estimate, between_images, error_of_parts
from bench.analysis.statistics.seed_variance import shrunk_variances, variances_of_mean

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
    chance = 1 - (1 - level) / 2
    quantile = float(ndtri(chance) if df == _NORMAL else stdtrit(df, chance))
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


class ImageNoise(NamedTuple):
    """The noise of an accuracy that is due to its test images.

    Args:
        variance: of the mean over seeds.
        df: degrees of freedom of the variance.
        residual: share of the residual of seeds and images in the variance between seeds; 0 for one seed.
        images: number of test images.
        grouped: whether whole groups of images vary.
    """

    variance: float
    df: int
    residual: float
    images: int
    grouped: bool


def image_noise(right: ArrayLike, groups: NDArray[np.integer] | None = None) -> ImageNoise:
    """The noise of the images of `right`, `(seeds, images)`: whether each is classified correctly.

    `groups` has the number of each image's group, `(images,)`. Raises ValueError for fewer than two images or groups.
    """
    table = np.atleast_2d(np.asarray(right, dtype=float))
    found = between_images(in_groups(table, groups))
    return ImageNoise(found.variance, found.df, found.residual, table.shape[1], groups is not None)


Sets = Sequence[tuple[float, ImageNoise]]
"""The sets of test images of a dataset: the weight (derivative) of their accuracy in its score, and its noise."""


def score_estimate(
    values: Sequence[Sequence[float]], noise: Sequence[Sets], *, mean: float | None = None, level: float = 0.95
) -> Estimate:
    """The mean score over some datasets with its interval over seeds and test images.

    With one seed and one set of single images, this is Wilson's interval of a proportion. Otherwise the variance of
    the score is that of `grouped_t`: crossed components of seeds and images within each dataset. It is compared with
    the variance that as many independent images would have. This design effect gives an effective number of images for
    Wilson's interval, with Student's t by Satterthwaite's degrees of freedom (as for proportions of complex surveys:
    Korn and Graubard, Survey Methodology 1998; Franco et al., Journal of Survey Statistics and Methodology 2019). The
    design effect is estimated with half an image (or group) more that is always right and half of one that is always
    wrong, since it is unknown without errors. Datasets are fixed, as in all averages of a board.

    Args:
        values: for each dataset the score of each seed, 0..1, in the order of the seeds; one if they do not matter.
        noise: for each dataset its sets of test images.
        mean: the score, if it is not the mean of the datasets' means.

    Example:
        >>> found = score_estimate([[0.9]], [[(1.0, image_noise([[1] * 9 + [0]]))]])
        >>> round(found.low, 4), str(found.covers)
        (0.5958, 'test images')
    """
    variances = variances_of_mean(*_seed_noise(values, noise)).tolist()
    seeds = [(variance, len(of_seeds) - 1) for variance, of_seeds in zip(variances, values, strict=True)]
    return _estimate(values, noise, seeds if min(map(len, values)) > 1 else [], mean, level)


def score_estimates(values: Sequence[Sequence[float]], noise: Sequence[Sets], *, level: float = 0.95) -> list[Estimate]:
    """The score on each dataset with its interval; the variance between seeds is shrunk by `shrunk_variances`.

    `values` and `noise` are those of one method and measure on all of its datasets, as for `score_estimate`.
    """
    variances, added = shrunk_variances(*_seed_noise(values, noise))
    found = []
    for of_seeds, sets, variance, more in zip(values, noise, variances.tolist(), added.tolist(), strict=True):
        seeds = [(variance, len(of_seeds) - 1 + more)] if len(of_seeds) > 1 else []
        found.append(_estimate([of_seeds], [sets], seeds, None, level))
    return found


def _seed_noise(
    values: Sequence[Sequence[float]], noise: Sequence[Sets]
) -> tuple[list[float], list[int], list[float], list[float]]:
    """The arguments of `shrunk_variances`."""
    return (
        [_variance(of_seeds) / len(of_seeds) if len(of_seeds) > 1 else 0.0 for of_seeds in values],
        [len(of_seeds) - 1 for of_seeds in values],
        [sum(weight**2 * found.residual for weight, found in sets) for sets in noise],
        [sum(weight**2 * found.variance * (found.df + 1) for weight, found in sets) for sets in noise],
    )


def _estimate(
    values: Sequence[Sequence[float]],
    noise: Sequence[Sets],
    seeds: Sequence[tuple[float, float]],
    mean: float | None,
    level: float,
) -> Estimate:
    """`score_estimate` with the variances between seeds of the datasets, none if they are left out."""
    sizes = [len(of_seeds) for of_seeds in values]
    centre = sum(sum(of_seeds) / len(of_seeds) for of_seeds in values) / len(values) if mean is None else mean
    sets = [part for of_dataset in noise for part in of_dataset]
    several, grouped = bool(seeds), any(found.grouped for _, found in sets)
    images = sum(found.images for _, found in sets)
    if len(sets) == 1 and max(sizes) == 1 and not grouped:
        low, high = wilson(centre, images, level=level)
    else:
        between = [(weight**2 * found.variance, found.df) for weight, found in sets]
        residual = sum(weight**2 * found.residual for weight, found in sets) if several else 0.0
        error, df = error_of_parts(len(values), seeds, between, residual) or (0.0, _NORMAL)
        count = _equal_count([(weight, found.df + 1) for weight, found in sets])
        low, high = wilson(centre, _effective(centre, count, error), df=df, level=level)
    by_seed = [sum(of_seed) / len(of_seed) for of_seed in zip(*values, strict=False)]
    std = math.sqrt(_variance(by_seed)) if several and len(set(sizes)) == 1 else None
    return Estimate(centre, max(sizes), std, min(low, centre), max(high, centre), _COVERS[several, grouped], images)


def _variance(values: Sequence[float]) -> float:
    """Sample variance, exactly 0 for equal values."""
    first = values[0]
    shifted = [value - first for value in values]
    mean = sum(shifted) / len(values)
    return sum((value - mean) ** 2 for value in shifted) / (len(values) - 1)


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
