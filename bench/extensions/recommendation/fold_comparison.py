"""The paired test of the leaderboard on held-out images, where each fold of a repetition is one training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bench.analysis import MeanTest, Noise, crossed, products, separate_tests


def fold_tests(
    tables: Sequence[NDArray[np.float64]],
    folds: NDArray[np.int64],
    groups: NDArray[np.int64] | None = None,
    *,
    added: float = 1.0,
    level: float = 0.95,
) -> list[MeanTest]:
    """The mean of each table with the noise of its images and of its trainings, the latter shrunk over the tables.

    Args:
        tables: `(repeats, images)`, one for each method; rows of NaN do not count.
        folds: `(repeats, images)`, the fold in which each image is held out.
        groups: `(images,)`, the group of each image, such as its patient. Images of one group are held out together and
            are not independent, so groups take the place of the images.
        added: sum of squares to add to the deviations of the images, which would be 0 if all have the same value.

    Returns:
        Tests whose `image_error` is the standard error that more repetitions would leave.

    Example:
        >>> (found,) = fold_tests([np.array([[1.0, 0.0, 1.0, 0.0]])], np.array([[1, 1, 2, 2]]), added=0.0)
        >>> found.mean, round(found.standard_error, 4)  # both folds agree: sqrt(1/3 / 4)
        (0.5, 0.2887)
    """
    if not tables:
        return []
    noise = [_noise(table, folds, groups, added) for table in tables]
    return [
        replace(test, image_error=math.sqrt(noise_of_table.images[0, 0]))
        for test, noise_of_table in zip(separate_tests(noise, level=level), noise, strict=True)
    ]


def _noise(
    table: NDArray[np.float64], folds: NDArray[np.int64], groups: NDArray[np.int64] | None, added: float
) -> Noise:
    """The mean of a table; its variance between folds contains the noise of their images, which is the residual."""
    trained = ~np.isnan(table).any(1)
    table, folds = _by_group(table[trained], folds[trained], groups)
    between, within, trainings = 0.0, 0.0, 0
    for values, fold_of in zip(table, folds, strict=True):
        parts = [values[fold_of == fold] for fold in np.unique(fold_of)]
        trainings += len(parts)
        between += float(np.var([part.mean() for part in parts], ddof=1))
        within += float(np.mean([part.var(ddof=1) / len(part) if len(part) > 1 else 0.0 for part in parts]))
    of_images = products(table.mean(0)[None, None]), np.ones(1)
    return crossed([[float(table.mean())]], [of_images], [0], added=added)._replace(
        size=trainings,
        seeds=np.array([between / len(table) / trainings]),
        df=np.array([float(trainings - len(table))]),
        residual=np.array([within / len(table) / trainings]),
    )


def _by_group(
    table: NDArray[np.float64], folds: NDArray[np.int64], groups: NDArray[np.int64] | None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The table and the folds with one column a group, whose mean is that of the images; unchanged without groups.

    A group of n of the images deviates from the mean by n over the mean size of a group, times its own deviation
    (linearised ratio; Cochran 1977, section 6.4).
    """
    if groups is None:
        return table, folds
    _, first, place, sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    centre = float(table.mean())
    deviations = np.stack([np.bincount(place, weights=row - centre) for row in table])
    return centre + deviations / sizes.mean(), folds[:, first]
