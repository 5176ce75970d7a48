"""Noise, tests and intervals of values by seed and tables of outcomes, for tests of statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bench.analysis.score_array import ScoreArray
from bench.analysis.statistics import (
    Estimate,
    MeanTest,
    Noise,
    crossed,
    interval_of_mean,
    intervals_of_datasets,
    mean_tests,
    products,
    separate_tests,
)


def noise_of(
    tables: Sequence[ArrayLike] = (),
    *,
    weights: Sequence[float] | None = None,
    values: ArrayLike | None = None,
    groups: Any = None,
    added: float = 0.0,
) -> Noise:
    """The noise on one dataset of values by seed, by default the sums of the row means of tables `(seeds, images)`."""
    known = [np.atleast_2d(np.asarray(table, dtype=float)) for table in tables]
    of_tables = [1.0] * len(known) if weights is None else weights
    if values is None:
        values = sum(weight * table.mean(1) for weight, table in zip(of_tables, known, strict=True))
    sets = [(products(table[None], groups), np.array([weight])) for weight, table in zip(of_tables, known, strict=True)]
    return crossed([values], sets, [0], added=added)


def mean_test(values: Sequence[ArrayLike], tables: Sequence[Sequence[ArrayLike]] = (), **options: Any) -> MeanTest:
    """The tested mean of the datasets' means: for each its values by seed, and its tables."""
    return mean_tests(_datasets(values, tables), **options)[0]


def dataset_tests(
    values: Sequence[ArrayLike], tables: Sequence[Sequence[ArrayLike]] = (), added: float = 1.0
) -> list[MeanTest]:
    """The tested mean of each dataset."""
    return separate_tests(_datasets(values, tables, added))


def _datasets(values: Sequence[ArrayLike], tables: Sequence[Sequence[ArrayLike]], added: float = 0.0) -> list[Noise]:
    given = tables or [[] for _ in values]
    return [noise_of(of, values=by_seed, added=added) for by_seed, of in zip(values, given, strict=True)]


def estimate_of(*datasets: Noise) -> Estimate:
    """The mean score over datasets with its interval."""
    return interval_of_mean(datasets, float(np.mean([one.mean[0] for one in datasets])))


def estimates_of(*datasets: Noise) -> list[Estimate]:
    """The score on each dataset with its interval."""
    return intervals_of_datasets(datasets, [float(one.mean[0]) for one in datasets], [None] * len(datasets))


def array_of(rows: Mapping[str, ArrayLike], datasets: Sequence[str], measure: str = "all") -> ScoreArray:
    """The array of methods with one value on each dataset."""
    values = np.array([np.asarray(row, dtype=float) for row in rows.values()])[:, :, None]
    return ScoreArray(tuple(rows), tuple(datasets), (1,), {measure: values}, tuple(datasets), (False,) * len(rows))
