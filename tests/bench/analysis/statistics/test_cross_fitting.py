"""The noise of cross-fitted means, against plain formulas and simulations with known truth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.analysis.statistics.cross_fitting import between_trainings, cross_fitted, pooled


def test_one_training_is_the_plain_mean_of_images() -> None:
    values = np.random.default_rng(0).normal(size=(1, 50))
    found = cross_fitted(values, np.ones((1, 50)))
    assert found.mean == pytest.approx(values.mean())
    assert found.standard_error == pytest.approx(values.std(ddof=1) / math.sqrt(50))
    assert found.df == pytest.approx(49)


def test_unscored_images_do_not_count() -> None:
    values = np.random.default_rng(0).normal(size=(2, 40))
    values[1] = np.nan
    values[0, 20:] = np.nan
    folds = np.tile(np.repeat([1, 2], 20), (2, 1))
    found = cross_fitted(values, folds)
    assert found.mean == pytest.approx(values[0, :20].mean())
    with pytest.raises(ValueError, match="1 scored images"):
        cross_fitted(np.array([[1.0, np.nan]]), np.ones((1, 2)))


def test_added_values_keep_the_spread_of_agreeing_images_above_zero() -> None:
    nothing = cross_fitted(np.zeros((1, 10)), np.ones((1, 10)))
    assert nothing.standard_error is None
    added = cross_fitted(np.zeros((1, 10)), np.ones((1, 10)), added=((1.0, 0.5), (-1.0, 0.5)))
    assert added.mean == 0
    assert added.standard_error == pytest.approx(math.sqrt(1 / 11 * 10 / 9 / 10))


def test_the_variance_between_trainings_is_unbiased() -> None:
    rng, found = np.random.default_rng(1), []
    folds = np.tile(np.repeat(np.arange(1, 5), 25), (3, 1))
    for _ in range(300):
        effect = rng.normal(size=(3, 4)) * 0.3
        values = np.repeat(effect, 25, axis=1) + rng.normal(size=(3, 100))
        found.append(between_trainings(values, folds))
    assert {one.df for one in found} == {9}
    assert pooled(found).variance == pytest.approx(0.09, abs=0.006)


@pytest.mark.parametrize("training", [0.0, 0.15])
def test_intervals_cover_the_mean(training: float) -> None:
    rng, covered, races = np.random.default_rng(2), 0, 300
    for _ in range(races):
        images = rng.normal(size=200)
        folds = np.stack([rng.permutation(np.arange(200) % 4) + 1 for _ in range(3)])
        effect = rng.normal(size=(3, 4)) * training
        values = images + effect[np.arange(3)[:, None], folds - 1] + 0.5 * rng.normal(size=(3, 200))
        found = cross_fitted(values, folds)
        covered += found.low <= 0 <= found.high
    assert 0.92 * races <= covered <= 0.99 * races
