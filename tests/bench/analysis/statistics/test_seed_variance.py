"""Variances between seeds that are shrunk towards those of other datasets."""

import numpy as np
import pytest
from small_noise import dataset_tests, estimate_of, estimates_of, mean_test, noise_of

from bench.analysis.statistics.seed_variance import PRIOR_DF, shrunk_variances


def test_one_dataset_keeps_its_variance_and_without_images_all_do():
    found, added = shrunk_variances([3.0], [2], [1.0], [5.0])
    assert (found.tolist(), added.tolist()) == ([3.0], [0.0])
    found, added = shrunk_variances([3.0, 5.0], [2, 2], [0.0, 0.0], [0.0, 0.0])
    assert (found.tolist(), added.tolist()) == ([3.0, 5.0], [0.0, 0.0])


def test_the_variance_is_a_mean_of_the_own_and_the_expected_one():
    """Expected on the first: (2 - 0.5) and (4 - 1) a seed of three and five, over 3 images' variances, times 2 / 3."""
    found, added = shrunk_variances([1.0, 2.0, 4.0], [2, 2, 4], [0.1, 0.5, 1.0], [2.0, 1.0, 2.0])
    expected = (1.5 * 3 + 3.0 * 5) / 3 * 2.0 / 3 + 0.1
    assert added[0] == PRIOR_DF
    assert found[0] == pytest.approx((4 * expected + 2 * 1.0) / 6)


def test_others_count_no_more_than_their_seeds_and_less_where_they_are_far_exceeded():
    _, added = shrunk_variances([1.0, 1.0], [1, 1], [0.0, 0.0], [1.0, 1.0])
    assert added.tolist() == [1.0, 1.0]
    _, added = shrunk_variances([80.0, *[1.0] * 5], [2] * 6, [0.0] * 6, [1.0] * 6)
    assert added[0] == pytest.approx(PRIOR_DF * 4 * 1.0 / 80)


def test_a_dataset_with_one_seed_neither_gives_nor_takes():
    found, added = shrunk_variances([0.0, 2.0, 4.0], [0, 2, 2], [0.0] * 3, [9.0, 1.0, 1.0])
    without, _ = shrunk_variances([2.0, 4.0], [2, 2], [0.0] * 2, [1.0, 1.0])
    assert (found[0], added[0]) == (0.0, 0.0)
    assert found[1:].tolist() == without.tolist()


def test_the_order_of_datasets_does_not_matter():
    draw = np.random.default_rng(0)
    parts = draw.random((4, 9))
    parts[1] = draw.integers(1, 5, 9)
    order = draw.permutation(9)
    found, added = shrunk_variances(*parts)
    again, again_added = shrunk_variances(*parts[:, order])
    assert np.array_equal(found[order], again)
    assert np.array_equal(added[order], again_added)


def test_many_pairs_at_once_are_the_pairs_one_by_one():
    draw = np.random.default_rng(1)
    seeds, residual, images = draw.random((3, 5, 7))
    found, added = shrunk_variances(seeds, [2, 1, 2, 4, 0], residual, images)
    for i in range(7):
        one, one_added = shrunk_variances(seeds[:, i], [2, 1, 2, 4, 0], residual[:, i], images[:, i])
        assert np.array_equal(found[:, i], one)
        assert np.array_equal(added[:, i], one_added)


def test_a_prior_without_spread_gives_no_verdict_on_a_dataset():
    """On the other datasets both methods give the same answers; here one differs on one of 20 images."""
    table = np.zeros((3, 20))
    table[:, 0] = 1.0
    groups, tables = [[0.05] * 3, *[[0.0] * 3] * 5], [[table], *[[np.zeros((3, 20))]] * 5]
    found = dataset_tests(groups, tables)
    assert found[0].p > 0.05
    assert found[0].low < 0 < found[0].high
    assert [test.p for test in found[1:]] == [1.0] * 5
    assert min(test.standard_error for test in found[1:]) > 0.04
    assert mean_test([[0.0] * 3] * 4, [[np.zeros((3, 20))]] * 4).p is None, "no spread anywhere"


def test_one_dataset_is_tested_and_scored_like_the_mean_of_one():
    draw = np.random.default_rng(2)
    table = draw.integers(-1, 2, (3, 40)).astype(float)
    assert dataset_tests([table.mean(1)], [[table]], added=0.0) == [mean_test([table.mean(1)], [[table]])]
    right = draw.random((3, 90)) < 0.8
    assert estimates_of(noise_of([right])) == [estimate_of(noise_of([right]))]


def test_two_seeds_of_a_score_borrow_from_other_datasets():
    """Two seeds that happen to agree or to differ much; on four other datasets the seeds differ by two points."""
    draw = np.random.default_rng(4)

    def runs(first: float, second: float) -> np.ndarray:
        difficulty = draw.permutation(400) / 400
        return np.array([difficulty < first, difficulty < second])

    tables = [runs(0.7, 0.7), runs(0.6, 0.75), *[runs(0.7, 0.73) for _ in range(4)]]
    noise = [noise_of([table]) for table in tables]
    alone = [estimates_of(one)[0].half_width for one in noise]
    found = [one.half_width for one in estimates_of(*noise)]
    assert found[0] > alone[0]
    assert found[1] < alone[1]
