"""Means of cross-fitted outcomes: in each repetition, an image is classified by a model not trained on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.analysis import MeanTest

ADDED_TO_DIFFERENCES = ((1.0, 0.5), (-1.0, 0.5), (0.0, 1.0))
"""Pseudo-observations (value, weight) for differences of two classifiers (Agresti and Min 2005)."""
ADDED_TO_ACCURACIES = ((1.0, 2.0), (0.0, 2.0))
"""Pseudo-observations for the accuracy of one classifier: two right and two wrong images (Agresti and Coull 1998)."""


@dataclass(frozen=True)
class Between:
    """A variance between training runs and its degrees of freedom. An estimate may be negative."""

    variance: float
    df: int


def cross_fitted(
    values: ArrayLike,
    folds: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    added: tuple[tuple[float, float], ...] = (),
    least: Between | None = None,
    level: float = 0.95,
) -> MeanTest:
    """The mean over images of a cross-fitted table, with the noise of images and of training runs.

    The inference is to other images, and to other training runs on the same labelled images. The squared standard error
    is the variance of the images' means over repetitions, divided by the number of images, plus the variance between
    training runs that the images do not explain, divided by the number of training runs. Degrees of freedom are
    Satterthwaite's.

    Args:
        values: `(repeats, images)`, NaN for images without a value yet. A fold has values for all of its images or
            none.
        folds: `(repeats, images)`, the fold in which the image is held out. Each fold of a repetition is one training
            run.
        groups: `(images,)`, the group of each image, such as its patient. Images of one group are held out together and
            are not independent: the groups take the place of the images (linearised ratio; Cochran 1977, section 6.4).
        least: lower bound of the variance between training runs, such as the average over several differences.
        added: pseudo-observations (value, weight) in the variance, which would be 0 if two classifiers agree on the few
            images. The mean does not include them.

    Example:
        >>> found = cross_fitted([[1.0, 0.0, 1.0, 0.0]], [[1, 1, 2, 2]])
        >>> found.mean, round(found.standard_error, 4), found.n  # both folds agree: sqrt(1/3 / 4)
        (0.5, 0.2887, 1)
    """
    table, fold_of = _by_group(np.asarray(values, dtype=float), np.asarray(folds), groups)
    seen = ~np.isnan(table)
    counted = seen.any(0)
    n = int(counted.sum())
    if n < 2:
        raise ValueError(f"{n} scored {'images' if groups is None else 'groups'} have no spread; score at least two.")
    by_image = np.nansum(table[:, counted], 0) / seen[:, counted].sum(0)
    mean = float(by_image.mean())
    repeats = int(seen.any(1).sum())
    images = _image_variance(by_image, added) / n
    own, count = between_trainings(table, fold_of), _number_of_runs(seen, fold_of)
    spread = own if least is None or own.variance >= least.variance else least
    trainings, df = max(0.0, spread.variance) / count, spread.df
    squared = images + trainings
    if squared <= 0:
        return MeanTest(mean, repeats, 1)
    freedom = squared**2 / (images**2 / (n - 1) + (trainings**2 / df if df else 0.0))
    lasting = max(0.0, images - _residual_variance(table, seen) / n)
    return MeanTest.from_error(mean, repeats, 1, math.sqrt(squared), freedom, level, image_error=math.sqrt(lasting))


def _image_variance(by_image: NDArray[np.float64], added: tuple[tuple[float, float], ...]) -> float:
    if not added:
        return float(by_image.var(ddof=1))
    weights = [1.0] * len(by_image) + [weight for _, weight in added]
    every = np.concatenate([by_image, [value for value, _ in added]])
    centre = float(np.average(every, weights=weights))
    return float(np.average((every - centre) ** 2, weights=weights)) * len(by_image) / (len(by_image) - 1)


def _by_group(
    table: NDArray[np.float64], folds: NDArray[np.int64], groups: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The table and the folds with one column a group, whose mean is that of the images; unchanged without groups.

    A group of n of the images deviates from the mean by n over the mean size of a group, times its own deviation.
    """
    if groups is None:
        return table, folds
    seen = ~np.isnan(table)
    centre = float((np.nansum(table[:, seen.any(0)], 0) / seen[:, seen.any(0)].sum(0)).mean())
    _, first, place = np.unique(np.asarray(groups), return_index=True, return_inverse=True)

    def sums(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack([np.bincount(place, weights=row) for row in rows])

    deviation, scored = sums(np.where(seen, table - centre, 0.0)), sums(seen.astype(float)) > 0
    size = seen.any(0).sum() / scored.any(0).sum()
    return np.where(scored, centre + deviation / size, np.nan), folds[:, first]


def between_trainings(values: ArrayLike, folds: ArrayLike, groups: ArrayLike | None = None) -> Between:
    """The variance between training runs of a cross-fitted table that its images (or groups) do not explain.

    Training runs are compared within a repetition, which has one value per image.
    """
    table, held_out = _by_group(np.asarray(values, dtype=float), np.asarray(folds), groups)
    found, within, df = 0.0, 0.0, 0
    for row, fold_of in zip(table, held_out, strict=True):
        scored = ~np.isnan(row)
        parts = [row[scored & (fold_of == fold)] for fold in np.unique(fold_of[scored])]
        if len(parts) < 2:
            continue
        df += len(parts) - 1
        found += (len(parts) - 1) * float(np.var([part.mean() for part in parts], ddof=1))
        noise = [part.var(ddof=1) / len(part) if len(part) > 1 else 0.0 for part in parts]
        within += (len(parts) - 1) * float(np.mean(noise))
    return Between((found - within) / df if df else 0.0, df)


def pooled(found: Sequence[Between]) -> Between:
    """The average of several variances between training runs."""
    df = sum(one.df for one in found)
    return Between(sum(one.variance * one.df for one in found) / df if df else 0.0, df)


def _number_of_runs(seen: NDArray[np.bool_], folds: NDArray[np.int64]) -> int:
    return sum(len(np.unique(row[scored])) for row, scored in zip(folds, seen, strict=True))


def _residual_variance(table: NDArray[np.float64], seen: NDArray[np.bool_]) -> float:
    """The variance of an image's mean over repetitions that more repetitions would remove; 0 with a single one."""
    whole = table[seen.all(1)]
    if len(whole) < 2:
        return 0.0
    residual = whole - whole.mean(0) - whole.mean(1, keepdims=True) + whole.mean()
    freedom = (whole.shape[0] - 1) * (whole.shape[1] - 1)
    return float((residual**2).sum() / freedom / len(whole))
