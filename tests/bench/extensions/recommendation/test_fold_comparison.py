"""The paired test on held-out images, against plain formulas and simulations with known truth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.extensions.recommendation.fold_comparison import fold_tests
from bench.extensions.recommendation.folds import groups_of
from datasets_registry import Sample


def test_images_that_agree_in_all_folds_have_the_spread_of_images_alone() -> None:
    values = np.tile([[1.0, 0.0]], 20)
    (found,) = fold_tests([values], np.repeat([[1, 2]], 20, axis=1), added=0.0)
    assert found.mean == 0.5
    assert found.standard_error == pytest.approx(values.std(ddof=1) / math.sqrt(40))
    (equal,) = fold_tests([np.zeros((1, 10))], np.repeat([[1, 2]], 5, axis=1))
    assert equal.standard_error == pytest.approx(math.sqrt(1 / 9 / 10)), "no interval of width zero"


def test_repetitions_after_a_method_left_do_not_count() -> None:
    values, folds = np.random.default_rng(0).normal(size=(2, 40)), np.tile(np.repeat([1, 2], 20), (2, 1))
    values[1] = np.nan
    assert fold_tests([values], folds) == fold_tests([values[:1]], folds[:1])


@pytest.mark.parametrize("training", [0.0, 0.15])
def test_intervals_cover_the_mean(training: float) -> None:
    rng, covered, races = np.random.default_rng(2), 0, 300
    for _ in range(races):
        images = rng.normal(size=200)
        folds = np.stack([rng.permutation(np.arange(200) % 4) + 1 for _ in range(3)])
        effect = rng.normal(size=(3, 4)) * training
        values = images + effect[np.arange(3)[:, None], folds - 1] + 0.5 * rng.normal(size=(3, 200))
        (found,) = fold_tests([values], folds, added=0.0)
        covered += found.low <= 0 <= found.high
    assert 0.92 * races <= covered <= 0.99 * races


def test_groups_take_the_place_of_images() -> None:
    rng = np.random.default_rng(2)
    table, folds = rng.integers(0, 2, (1, 20)).astype(float), np.tile([1, 2, 3, 4], 5)[None]
    (once,), (alone,) = fold_tests([table], folds), fold_tests([table], folds, rng.permutation(20))
    assert (alone.mean, alone.standard_error) == pytest.approx((once.mean, once.standard_error))
    copies, folds = (np.repeat(values, 5, axis=1) for values in (table, folds))
    (found,), (narrow,) = fold_tests([copies], folds, np.repeat(np.arange(20), 5)), fold_tests([copies], folds)
    assert (found.mean, found.standard_error) == pytest.approx((once.mean, once.standard_error))
    assert narrow.standard_error < 0.6 * once.standard_error, "too narrow without groups"


def test_the_mean_is_that_of_the_images_if_groups_differ_in_size() -> None:
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(12), rng.integers(1, 9, 12))
    folds = (groups % 3 + 1)[None].repeat(2, axis=0)
    table = rng.integers(0, 2, folds.shape).astype(float)
    assert fold_tests([table], folds, groups)[0].mean == pytest.approx(table.mean())


def test_intervals_cover_the_mean_of_grouped_images() -> None:
    rng, truth, covered = np.random.default_rng(4), 0.7, 0
    groups = np.repeat(np.arange(40), 6)
    for _ in range(400):
        right = rng.beta(1.4, 0.6, 40)[groups] > rng.random(240)
        (found,) = fold_tests([right[None].astype(float)], groups[None] % 4 + 1, groups)
        covered += found.low <= truth <= found.high
    assert covered / 400 > 0.92


def test_an_image_without_a_group_is_a_group() -> None:
    images = [Sample("a.png", 0, "p1"), Sample("b.png", 1), Sample("c.png", 0, "p1"), Sample("d.png", 1)]
    assert groups_of(images).tolist() == [0, 1, 0, 2]
    assert groups_of([Sample("a.png", 0), Sample("b.png", 1)]) is None
