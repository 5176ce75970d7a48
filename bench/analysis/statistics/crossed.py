"""The noise of scores and of their differences on test images: seeds and images vary, and both are crossed.

`crossed` has the noise of any contrasts on one dataset: scores, and differences of runs with the same seeds.
`unpaired` is the same for runs with other seeds. The functions below them turn it into tests and intervals, of the mean
over datasets or of each dataset.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

from bench.analysis.statistics.intervals import ROUNDING, Covers, Estimate, MeanTest, wilson
from bench.analysis.statistics.seed_variance import shrunk_variances, variances_of_mean

Floats = NDArray[np.float64]

ADDED_TO_DIFFERENCES = 1.0
"""Sum of squares of half an image that only A and half of one that only B classifies correctly (Agresti, Min 2005)."""


class Products(NamedTuple):
    """Sums of products of the outcomes of some members, such as methods, on the same test images with the same seeds.

    Args:
        between: `(members, members)`, of the deviations of images (or groups) from the mean, each a mean over seeds.
        rest: `(members, members)`, of the residuals of seeds and images.
        units: number of images or groups.
        n_images: number of images.
    """

    between: Floats
    rest: Floats
    units: int
    n_images: int


class Noise(NamedTuple):
    """The means of some contrasts on one dataset, and their noise; arrays are `(contrasts,)`.

    Args:
        by_seed: `(contrasts, seeds)`, the values whose mean it is.
        size: number of seeds.
        seeds: variance of the mean between seeds, s^2 / S; 0 for one seed.
        df: degrees of freedom of `seeds`, S - 1.
        residual: the part of `seeds` that is the residual of seeds and images, MS_residual / (S N).
        images: `(sets, contrasts)`, the variance of the mean due to the images (or groups) of each test set.
        units: `(sets,)`, the number of images (or groups) of each test set.
        weight: `(sets, contrasts)`, of the first member.
        n_images: number of test images.
        grouped: whether whole groups of images vary.
        paired: whether both runs of a difference have the same seeds.
    """

    mean: Floats
    by_seed: Floats
    size: int
    seeds: Floats
    df: Floats
    residual: Floats
    images: Floats
    units: NDArray[np.int64]
    weight: Floats
    n_images: int = 0
    grouped: bool = False
    paired: bool = True

    def of(self, contrast: int) -> Noise:
        """The noise of one contrast."""
        at = slice(contrast, contrast + 1)
        return self._replace(
            mean=self.mean[at],
            by_seed=self.by_seed[at],
            seeds=self.seeds[at],
            df=self.df[at],
            residual=self.residual[at],
            images=self.images[:, at],
            weight=self.weight[:, at],
        )

    @property
    def of_one_image(self) -> Floats:
        """The variance between images of their means over seeds."""
        variance: Floats = self.images.T @ self.units
        return variance


def crossed(
    values: ArrayLike,
    sets: Sequence[tuple[Products, Floats]],
    a: ArrayLike,
    b: ArrayLike | None = None,
    *,
    added: float = 0.0,
) -> Noise:
    """The noise of contrasts of members, such as methods, which have the same seeds and the same test images.

    The image part is var_i(mean over seeds) / N. The seed part is s^2 / S; the residual of a two-way analysis of
    variance in it is MS_residual / (S N). Products of members give the variance of each difference, so no image is
    looked at twice.

    Args:
        values: `(members, seeds)`, the measure of each run.
        sets: for each set of test images of the measure the products of the members and, `(members,)`, the derivatives
            of the measure by the accuracy on these images. None if the images are not known.
        a: `(contrasts,)`, the member of a score, or the first one of a difference.
        b: `(contrasts,)`, the second member of a difference; None for scores.
        added: sum of squares to add to the deviations of the images of each set, which would be 0 if two methods agree
            on the few images there are.

    Example:
        >>> right = np.array([[[1, 1, 1, 0]], [[1, 1, 0, 0]]])  # two members, one seed, four images
        >>> found = crossed([[0.75], [0.5]], [(products(right), np.ones(2))], [0], [1])
        >>> found.mean.tolist(), found.images.tolist()  # one of four images differs: 0.25 / 4
        ([0.25], [[0.0625]])
    """
    table, first = np.asarray(values, dtype=float), np.asarray(a, dtype=int)
    second = None if b is None else np.asarray(b, dtype=int)

    def of_contrasts(squares: Floats, weight: Floats) -> Floats:
        weighted = squares * np.outer(weight, weight)
        diagonal: Floats = weighted.diagonal()
        if second is None:
            return np.array(diagonal[first])
        of_pairs: Floats = np.maximum(diagonal[first] + diagonal[second] - 2 * weighted[first, second], 0.0)
        return of_pairs

    by_seed = table[first] if second is None else table[first] - table[second]
    n_seeds, n = by_seed.shape[1], len(first)
    ordered = np.sort(by_seed, axis=1)  # sums must not depend on the order of seeds
    shifted = ordered - ordered[:, :1]  # exact zeros for equal values
    seeds = shifted.var(axis=1, ddof=1) / n_seeds if n_seeds > 1 else np.zeros(n)
    images, units, residual = [], [], np.zeros(n)
    for of_set, weight in sets:
        images.append((of_contrasts(of_set.between, weight) + added) / (of_set.units - 1) / of_set.units)
        units.append(of_set.units)
        if n_seeds > 1:
            freedom = (n_seeds - 1) * (of_set.units - 1)
            residual += of_contrasts(of_set.rest, weight) / freedom / (n_seeds * of_set.units)
    return Noise(
        ordered.mean(axis=1),
        by_seed,
        n_seeds,
        seeds,
        np.full(n, n_seeds - 1.0),
        residual,
        np.array(images).reshape(len(units), n),
        np.array(units, dtype=np.int64),
        np.array([weight[first] for _, weight in sets]).reshape(len(units), n),
        n_images=sum(of_set.n_images for of_set, _ in sets),
        grouped=any(of_set.units < of_set.n_images for of_set, _ in sets),
    )


def products(right: NDArray[np.generic], groups: NDArray[np.integer] | None = None) -> Products:
    """The products of outcomes, `(members, seeds, images)`: whether each image is classified correctly.

    They are exact for single images, so two members with the same answers have no spread.

    Groups of images have the values `m + G / N * sum over its images of (y - m)`, where `m` is the mean, `G` the number
    of groups and `N` that of images: the linearised ratio estimator of a mean of clusters (Cochran, Sampling
    Techniques, section 9A). `groups` has the number of each image's group, `(images,)`.

    Raises ValueError for fewer than two images or groups.
    """
    table = right.astype(np.float64)
    members, n_seeds, n_images = table.shape
    sizes = np.ones(n_images)
    if groups is not None:
        numbers = np.unique(groups, return_inverse=True)[1]
        sizes = np.bincount(numbers).astype(float)
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(int)
        table = np.add.reduceat(table[:, :, np.argsort(numbers, kind="stable")], starts, axis=2)
    units = len(sizes)
    if units < 2:
        raise ValueError(f"{units} test images or groups have no spread; give at least two.")
    of_units, of_seeds = table.sum(axis=1), table.sum(axis=2)
    total = of_units.sum(axis=1)
    deviations = n_images * of_units - total[:, None] * sizes
    flat, n = table.reshape(members, -1), n_seeds * units
    rest = n * (flat @ flat.T) - units * (of_units @ of_units.T) - n_seeds * (of_seeds @ of_seeds.T)
    rest += np.outer(total, total)
    scale = (units / n_images) ** 2
    between = (deviations @ deviations.T) * (scale / (n_seeds * n_images) ** 2)
    return Products(between, rest * (scale / n), units, n_images)


def unpaired(a: Noise, b: Noise, of_means: Noise) -> Noise:
    """The difference of scores whose runs have other seeds: the noise of both seeds adds up, with Welch's degrees.

    `a` and `b` are the scores, and `of_means` is the difference of their means over seeds on each image.

    Example:
        >>> a, b = (crossed([values], [], [0]) for values in ([0.8, 0.9], [0.4, 0.6, 0.5]))
        >>> found = unpaired(a, b, crossed([a.mean, b.mean], [], [0], [1]))
        >>> found.mean.round(3).tolist(), found.seeds.round(6).tolist(), found.df.round(3).tolist()  # 0.0025 + 0.01 / 3
        ([0.35], [0.005833], [2.882])
    """
    seeds = a.seeds + b.seeds
    squares = sum(_ratio(part.seeds**2, part.df) for part in (a, b))
    df = np.where(seeds > 0, _ratio(seeds**2, squares), a.df + b.df)
    return of_means._replace(
        size=min(a.size, b.size), seeds=seeds, df=df, residual=a.residual + b.residual, paired=False
    )


def _ratio(above: ArrayLike, below: ArrayLike) -> Floats:
    """The ratio; 0 where the divisor is 0."""
    top, bottom = np.broadcast_arrays(np.asarray(above, dtype=float), np.asarray(below, dtype=float))
    ratio: Floats = np.divide(top, bottom, out=np.zeros(top.shape), where=bottom > 0)
    return ratio


def mean_tests(datasets: Sequence[Noise], *, shared_training: bool = False, level: float = 0.95) -> list[MeanTest]:
    """The mean of each contrast over the datasets, tested against zero with the noise *within* the datasets alone.

    Datasets are fixed and not a sample, so how a difference varies between them is not noise. With G datasets the
    squared standard error is (sum of images + max(sum of (seeds - residual), 0)) / G^2, since the images contain the
    residual already. Where that maximum is 0, the seeds have no degrees of freedom either. Degrees of freedom are
    Satterthwaite's. The variances of seeds are `variances_of_mean`. In simulations, 95 % intervals cover the mean
    93-97 % of the time from two seeds and two datasets on, with and without an effect of the seed.

    With `shared_training`, each run is tested on all datasets, as in transfer protocols. The effect of its seed is then
    common to them, and the variance between seeds is that of the mean over datasets, with S - 1 degrees of freedom.

    Example:
        >>> noise = [crossed([[0.01, 0.03]], [], [0]), crossed([[0.02, 0.04]], [], [0])]  # s_g^2 = 0.0002 in both
        >>> (found,) = mean_tests(noise)
        >>> round(found.mean, 3), round(found.standard_error, 6), round(found.df, 6)  # sqrt(2 * 0.0002 / 2) / 2
        (0.025, 0.007071, 2.0)
    """
    tests = _tests(datasets, *_seeds_of_mean(datasets, shared_training=shared_training), level)
    return [replace(test, shared_training=True) for test in tests] if shared_training else tests


def _seeds_of_mean(datasets: Sequence[Noise], *, shared_training: bool) -> tuple[Floats, Floats]:
    """The variances between seeds for a mean over datasets, which add up, and their degrees of freedom."""
    if not shared_training:
        return variances_of_mean(*_of_seeds(datasets)), _df(datasets)
    size = datasets[0].size
    if all(noise.paired and noise.size == size for noise in datasets):
        of_mean = np.sum([noise.by_seed for noise in datasets], axis=0)
        seeds = of_mean.var(axis=1, ddof=1) / size if size > 1 else np.zeros(len(of_mean))
        return seeds[None], np.full((1, len(of_mean)), size - 1.0)
    # other seeds on some datasets: at most as much as if all effects were the same
    return np.sum([np.sqrt(noise.seeds) for noise in datasets], axis=0)[None] ** 2, _df(datasets).min(axis=0)[None]


def separate_tests(datasets: Sequence[Noise], *, level: float = 0.95) -> list[MeanTest]:
    """The test on each dataset of the first contrast, with the variance between seeds shrunk by `shrunk_variances`.

    In simulations with two or more datasets, 95 % intervals of a difference on one dataset cover it 92-98 % of the time
    with two seeds and 94-98 % with more; more often if both methods err on hardly any image.
    """
    seeds, added = shrunk_variances(*_of_seeds(datasets))
    df = _df(datasets)
    df = np.where(df > 0, df + added, 0.0)
    return [_tests([noise], seeds[[i]], df[[i]], level)[0] for i, noise in enumerate(datasets)]


def _df(datasets: Sequence[Noise]) -> Floats:
    return np.array([noise.df for noise in datasets])


def _of_seeds(datasets: Sequence[Noise]) -> tuple[Floats, Floats, Floats, Floats]:
    """The arguments of `shrunk_variances`."""
    seeds, residual = (np.array([getattr(noise, name) for noise in datasets]) for name in ("seeds", "residual"))
    return seeds, _df(datasets), residual, np.array([noise.of_one_image for noise in datasets])


def standard_errors(datasets: Sequence[Noise], seeds: Floats, df: Floats, residual: Floats) -> tuple[Floats, Floats]:
    """Standard error and degrees of freedom of each contrast's mean over datasets; both 0 where nothing varied.

    `seeds` and `df` are `(datasets, contrasts)`, and `residual` is `(contrasts,)`, the sum of its shares in `seeds`.
    """
    images = np.concatenate([noise.images for noise in datasets])
    images_df = np.concatenate([noise.units for noise in datasets])[:, None] - 1
    beyond = seeds.sum(axis=0) - residual
    variance = images.sum(axis=0) + np.maximum(beyond, 0.0)
    squares = (images**2 / images_df).sum(axis=0) + np.where(beyond > 0, _ratio(seeds**2, df).sum(axis=0), 0.0)
    error = np.sqrt(variance) / len(datasets)
    varied = error > ROUNDING
    return np.where(varied, error, 0.0), np.where(varied, _ratio(variance**2, squares), 0.0)


def _tests(datasets: Sequence[Noise], seeds: Floats, df: Floats, level: float) -> list[MeanTest]:
    """The tests of the means over datasets, with the given variances between seeds."""
    n_datasets, sizes = len(datasets), [noise.size for noise in datasets]
    residual = np.sum([noise.residual for noise in datasets], axis=0)
    images = np.sum([noise.images.sum(axis=0) for noise in datasets], axis=0)
    means = np.sum([noise.mean for noise in datasets], axis=0) / n_datasets
    errors, freedom = standard_errors(datasets, seeds, df, residual)
    if min(sizes) < 2 and not any(len(noise.units) for noise in datasets):
        errors = np.zeros_like(errors)
    image_errors = np.sqrt(np.maximum(images - residual, 0.0)) / n_datasets
    smallest, paired = min(sizes), all(noise.paired for noise in datasets)
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = stdtrit(freedom, (1 + level) / 2) * errors
        p = 2 * stdtr(freedom, -np.abs(means) / errors)
    rows = zip(*(part.tolist() for part in (means, errors, freedom, reach, p, image_errors)), strict=True)
    return [
        MeanTest(mean, sum(sizes), n_datasets, error, of_df, mean - far, mean + far, of_p, of_images, smallest, paired)
        if error
        else MeanTest(mean, sum(sizes), n_datasets, smallest_group=smallest, paired=paired)
        for mean, error, of_df, far, of_p, of_images in rows
    ]


def interval_of_mean(
    datasets: Sequence[Noise],
    mean: float,
    std: float | None = None,
    *,
    shared_training: bool = False,
    level: float = 0.95,
) -> Estimate:
    """The mean score over some datasets, the first contrast of each, with its interval over seeds and test images.

    With one seed and one set of single images, this is Wilson's interval of a proportion. Otherwise the variance of the
    score is that of `mean_tests`. It is compared with the variance that as many independent images would have.
    This design effect gives an effective number of images for Wilson's interval, with Student's t by Satterthwaite's
    degrees of freedom (as for proportions of complex surveys: Korn and Graubard, Survey Methodology 1998; Franco et
    al., Journal of Survey Statistics and Methodology 2019). The design effect is estimated with half an image (or
    group) more that is always right and half of one that is always wrong, since it is unknown without errors.

    Args:
        mean: the score, 0..1.
        std: standard deviation between seeds, which is shown beside it.
        shared_training: as for `mean_tests`.

    Example:
        >>> right = np.array([[[1] * 9 + [0]]])
        >>> found = interval_of_mean([crossed([[0.9]], [(products(right), np.ones(1))], [0])], 0.9)
        >>> round(found.low, 4), str(found.covers)
        (0.5958, 'test images')
    """
    return _estimate(datasets, *_seeds_of_mean(datasets, shared_training=shared_training), mean, std, level)


def intervals_of_datasets(
    datasets: Sequence[Noise], means: Sequence[float], stds: Sequence[float | None], *, level: float = 0.95
) -> list[Estimate]:
    """The score on each dataset with its interval; the variance between seeds is shrunk by `shrunk_variances`.

    The datasets are those of one method and measure, with `means` and `stds` as for `interval_of_mean`.
    """
    seeds, added = shrunk_variances(*_of_seeds(datasets))
    df = _df(datasets) + added
    return [_estimate([noise], seeds[[i]], df[[i]], means[i], stds[i], level) for i, noise in enumerate(datasets)]


def _estimate(
    datasets: Sequence[Noise], seeds: Floats, df: Floats, mean: float, std: float | None, level: float
) -> Estimate:
    sizes = [noise.size for noise in datasets]
    several, grouped = min(sizes) > 1, any(noise.grouped for noise in datasets)
    units, n_images = np.concatenate([noise.units for noise in datasets]), sum(noise.n_images for noise in datasets)
    if len(units) == 1 and max(sizes) == 1 and not grouped:
        low, high = wilson(mean, n_images, level=level)
    else:
        residual = np.sum([noise.residual for noise in datasets], axis=0) if several else np.zeros(1)
        error, freedom = (
            float(part[0]) for part in standard_errors(datasets, seeds if several else 0.0 * seeds, df, residual)
        )
        effective = _effective(mean, _equal_count(datasets), error)
        low, high = wilson(mean, effective, df=freedom or math.inf, level=level)
    covers = _COVERS[several, grouped]
    return Estimate(mean, max(sizes), std if several else None, min(low, mean), max(high, mean), covers, n_images)


_COVERS = {
    (False, False): Covers.IMAGES,
    (False, True): Covers.GROUPS,
    (True, False): Covers.SEEDS_AND_IMAGES,
    (True, True): Covers.SEEDS_AND_GROUPS,
}
"""What an interval covers, by whether it has several seeds, and groups."""


def _equal_count(datasets: Sequence[Noise]) -> float:
    """The size of one set of images (or groups) whose proportion varies like the weighted mean of all sets."""
    weights = np.concatenate([noise.weight[:, 0] for noise in datasets])
    units = np.concatenate([noise.units for noise in datasets])
    squares = float((weights**2 / units).sum())
    return float(weights.sum()) ** 2 / squares if squares else float(units.min())


def _effective(mean: float, count: float, error: float) -> float:
    """The number of independent images (or groups) whose proportion has that standard error; `count` as it is."""
    more = count + 1
    shifted = (mean * count + 0.5) / more
    binomial = shifted * (1 - shifted)
    variance = ((error * count) ** 2 + 0.5 * ((1 - shifted) ** 2 + shifted**2)) / more**2
    return count * binomial / (more * variance)
