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
    own, rest, scale = (np.asarray(part, dtype=float) for part in (seeds, residual, images))
    given = np.asarray(df, dtype=float)
    freedom = np.broadcast_to(given.reshape(given.shape + (1,) * (own.ndim - given.ndim)), own.shape)
    known = freedom > 0
    of_others = _of_others(np.where(known, scale, 0.0))
    usable = known & (of_others > 0)
    beyond = _of_others(np.where(known, (own - rest) * (freedom + 1), 0.0))
    expected = np.maximum(_ratio(beyond, of_others, usable), 0.0) * scale / (freedom + 1) + rest
    trust = np.minimum(1.0, PLAUSIBLE * _ratio(expected, own, own > 0) + (own <= 0))
    added = np.where(usable, np.minimum(PRIOR_DF, _of_others(freedom)) * trust, 0.0)
    return _ratio(added * expected + freedom * own, added + freedom, known), added


def variances_of_mean(seeds: ArrayLike, df: ArrayLike, residual: ArrayLike, images: ArrayLike) -> _Array:
    """The variances between seeds for the mean over datasets, which keep their own degrees of freedom.

    All shrunk variances share one prior, so its degrees of freedom do not add up over the datasets. With fewer than
    three datasets the variances are the plain ones: in simulations the mean was covered 91 % of the time otherwise.
    Arguments and result are those of `shrunk_variances`.
    """
    own = np.asarray(seeds, dtype=float)
    return own if len(own) < 3 else shrunk_variances(seeds, df, residual, images)[0]


def _of_others(values: _Array) -> _Array:
    """The sum over the other datasets; sorted, since it must not depend on the order of the datasets."""
    total: _Array = np.sort(values, axis=0).sum(axis=0) - values
    return total


def _ratio(above: _Array, below: _Array, where: NDArray[np.bool_]) -> _Array:
    """The ratio, 0 elsewhere."""
    return np.divide(above, below, out=np.zeros_like(above), where=where)
