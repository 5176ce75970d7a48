"""The noise of cross-fitted means, against plain formulas and simulations with known truth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.extensions.recommendation.cross_fitting import between_trainings, cross_fitted, pooled


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


def test_groups_of_one_image_are_the_images() -> None:
    rng = np.random.default_rng(0)
    table, folds = rng.integers(0, 2, (2, 24)).astype(float), np.tile([1, 2, 3], (2, 8))
    alone = np.random.default_rng(1).permutation(24)
    assert cross_fitted(table, folds, groups=alone).standard_error == pytest.approx(
        cross_fitted(table, folds).standard_error
    )


def test_copies_of_an_image_add_nothing() -> None:
    rng = np.random.default_rng(2)
    table, folds = rng.integers(0, 2, (1, 20)).astype(float), np.tile([1, 2, 3, 4], 5)[None]
    copies = [np.repeat(values, 5, axis=1) for values in (table, folds)]
    found, once = cross_fitted(*copies, groups=np.repeat(np.arange(20), 5)), cross_fitted(table, folds)
    assert (found.mean, found.standard_error) == pytest.approx((once.mean, once.standard_error))
    assert cross_fitted(*copies).standard_error < 0.5 * once.standard_error, "too narrow without groups"


def test_the_mean_is_that_of_the_images_if_groups_differ_in_size_and_folds_are_missing() -> None:
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(12), rng.integers(1, 9, 12))
    folds = (groups % 3 + 1)[None].repeat(2, axis=0)
    table = rng.integers(0, 2, folds.shape).astype(float)
    table[1][folds[1] == 2] = np.nan
    assert cross_fitted(table, folds, groups=groups).mean == pytest.approx(cross_fitted(table, folds).mean)


def test_intervals_cover_the_mean_of_grouped_images() -> None:
    rng, truth, covered, plain = np.random.default_rng(4), 0.7, 0, 0
    groups, folds = np.repeat(np.arange(40), 6), np.ones((1, 240), dtype=int)
    for _ in range(400):
        right = rng.beta(1.4, 0.6, 40)[groups] > rng.random(240)
        table = right[None].astype(float)
        found, narrow = cross_fitted(table, folds, groups=groups), cross_fitted(table, folds)
        covered += found.low <= truth <= found.high
        plain += narrow.low <= truth <= narrow.high
    assert covered / 400 > 0.92
    assert plain / 400 < 0.85
