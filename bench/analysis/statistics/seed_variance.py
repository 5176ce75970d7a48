"""The variance between seeds on one dataset, with what the other datasets say about it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

PRIOR_DF = 4.0
"""Most degrees of freedom that the other datasets add to those of a dataset's own seeds."""
PLAUSIBLE = 4.0
"""The ratio of its own variance to the expected one from which on a dataset counts as unlike the others."""

_Array = NDArray[np.float64]


def shrunk_variances(seeds: ArrayLike, df: ArrayLike, residual: ArrayLike, images: ArrayLike) -> tuple[_Array, _Array]:
    """Variances between seeds, shrunk towards what the other datasets let expect; and the degrees of freedom added.

    Two or three seeds estimate their variance badly. Seeds vary more where images do, so the expectation of a dataset
    is the ratio of both variances on its other datasets, times its own variance between images, divided by S, plus the
    residual (a moderated variance: Smyth, 2004). It has four degrees of freedom, or as many as the other datasets
    together if these are fewer. If the own variance is more than four times the expected one, they fall in proportion.
    There is no prior, and the variance stays, with one dataset and without images.

    Args:
        seeds: `(datasets, ...)`, variance of the mean between seeds, s^2 / S.
        df: `(datasets,)` or as `seeds`, S - 1. A dataset with 0 is neither shrunk nor a prior for others.
        residual: `(datasets, ...)`, the part of `seeds` that is the residual of seeds and images.
        images: `(datasets, ...)`, variance between images (or groups) of their means over seeds.

    Returns:
        Variances of the mean between seeds, and the degrees of freedom to add to `df`, both `(datasets, ...)`.

    Example:
        >>> found, added = shrunk_variances([0.0, 4.0, 4.0], [2, 2, 2], [0.0] * 3, [1.0] * 3)
        >>> found.round(2).tolist(), added.tolist()  # (4 * 4 + 2 * 0) / 6; (4 * 2 + 2 * 4) / 6
        ([2.67, 2.67, 2.67], [4.0, 4.0, 4.0])
    """
    between_seeds, rest, scale = (np.asarray(part, dtype=float) for part in (seeds, residual, images))
    seed_df = np.asarray(df, dtype=float)
    freedom = np.broadcast_to(
        seed_df.reshape(seed_df.shape + (1,) * (between_seeds.ndim - seed_df.ndim)), between_seeds.shape
    )
    has_seeds = freedom > 0
    of_others = _of_others(np.where(has_seeds, scale, 0.0))
    usable = has_seeds & (of_others > 0)
    beyond = _of_others(np.where(has_seeds, (between_seeds - rest) * (freedom + 1), 0.0))
    expected = np.maximum(_ratio(beyond, of_others, usable), 0.0) * scale / (freedom + 1) + rest
    trust = np.minimum(1.0, PLAUSIBLE * _ratio(expected, between_seeds, between_seeds > 0) + (between_seeds <= 0))
    added = np.where(usable, np.minimum(PRIOR_DF, _of_others(freedom)) * trust, 0.0)
    return _ratio(added * expected + freedom * between_seeds, added + freedom, has_seeds), added


def variances_of_mean(seeds: ArrayLike, df: ArrayLike, residual: ArrayLike, images: ArrayLike) -> _Array:
    """The variances between seeds for the mean over datasets, which keep their own degrees of freedom.

    All shrunk variances share one prior, so its degrees of freedom do not add up over the datasets. With fewer than
    three datasets the variances are the plain ones: in simulations the mean was covered 91 % of the time otherwise.
    Arguments and result are those of `shrunk_variances`.
    """
    between_seeds = np.asarray(seeds, dtype=float)
    return between_seeds if len(between_seeds) < 3 else shrunk_variances(seeds, df, residual, images)[0]


def _of_others(values: _Array) -> _Array:
    """The sum over the other datasets; sorted, since it must not depend on the order of the datasets."""
    total: _Array = np.sort(values, axis=0).sum(axis=0) - values
    return total


def _ratio(above: _Array, below: _Array, where: NDArray[np.bool_]) -> _Array:
    """The ratio, 0 elsewhere."""
    return np.divide(above, below, out=np.zeros_like(above), where=where)
