"""Intervals of a mean: examples computed by hand, and comparisons with SciPy."""

import numpy as np
import pytest
from scipy import stats as reference
from small_noise import mean_test

from bench.analysis.statistics.intervals import MeanTest, difference_of_means, student_t


def test_the_interval_of_one_value_or_of_none():
    estimate = student_t([0.5])
    assert (estimate.n, estimate.std, estimate.half_width, estimate.low, estimate.high) == (1, None, None, None, None)
    with pytest.raises(ValueError, match="at least one value"):
        student_t([])


def test_two_groups_are_welchs_test():
    """The mean of two group means is half of a difference when one of them changes sign."""
    draw = np.random.default_rng(2)
    a, b = draw.normal(1, 1, 4), draw.normal(0, 3, 7)
    found, wanted = mean_test([a, -b]), reference.ttest_ind(a, b, equal_var=False)
    assert (found.p, found.df) == pytest.approx((wanted.pvalue, wanted.df))
    assert found.mean == pytest.approx((a.mean() - b.mean()) / 2)
    far = mean_test([a, 0.8 - b])
    assert far.standard_error == pytest.approx(found.standard_error), "differences between datasets are no noise"


def test_values_that_never_vary_have_no_test():
    found = mean_test([[0.1, 0.1], [0.3, 0.3]])
    assert (found.mean, found.standard_error, found.low, found.p) == (pytest.approx(0.2), None, None, None)
    same = np.zeros((2, 5))
    assert mean_test([[0.0, 0.0]], [[same]]).p is None


def test_one_seed_with_images_is_the_t_test_over_images():
    outcome = np.random.default_rng(5).integers(-1, 2, 50)
    found, wanted = mean_test([[outcome.mean()]], [[outcome[None]]]), reference.ttest_1samp(outcome, 0)
    low, high = wanted.confidence_interval(0.95)
    assert (found.p, found.low, found.high, found.df) == pytest.approx((wanted.pvalue, low, high, 49))


def test_a_single_image_has_no_spread():
    with pytest.raises(ValueError, match="at least two"):
        mean_test([[1.0]], [[[[1]]]])


def test_a_group_with_one_seed_leaves_no_interval():
    found = mean_test([[0.1, 0.2], [0.3]])
    assert (found.mean, found.n, found.p, found.low) == (pytest.approx(0.225), 3, None, None)


@pytest.mark.parametrize(("level", "n"), [(0.8, 4), (0.95, 2), (0.95, 20)])
def test_the_interval_and_the_test_equal_scipys(level, n):
    values = np.random.default_rng(7).normal(1, 1, n)
    wanted = reference.t.interval(level, n - 1, loc=values.mean(), scale=reference.sem(values))
    estimate, found = student_t(list(values), level=level), mean_test([values], level=level)
    assert (found.p, found.df) == pytest.approx((reference.ttest_1samp(values, 0).pvalue, n - 1))
    assert (estimate.low, estimate.high) == pytest.approx(wanted)
    assert (found.low, found.high) == pytest.approx(wanted)
    assert (estimate.std, estimate.half_width) == pytest.approx((values.std(ddof=1), estimate.high - estimate.mean))
    moved = student_t(list(values), level=level, mean=0.25)
    assert (moved.mean, moved.half_width) == (0.25, estimate.half_width), "the mean may be another statistic"


def test_a_test_against_another_mean_and_of_the_opposite_difference():
    values = np.random.default_rng(8).normal(0.3, 1, 6)
    found = mean_test([values])
    assert found.p_against(0.5) == pytest.approx(reference.ttest_1samp(values, 0.5).pvalue)
    opposite = found.negated()
    assert (opposite.mean, opposite.low, opposite.high) == (-found.mean, -found.high, -found.low)
    assert opposite.p == found.p
    untested = MeanTest(0.1, 1, 1)
    assert untested.p_against(0.0) is None
    assert untested.negated() == MeanTest(-0.1, 1, 1)
    assert untested.image_error == 0


@pytest.mark.parametrize("seed_effect", [0.0, 1.0])
def test_seeds_and_images_of_two_datasets_by_hand(seed_effect):
    """Variances add up and are divided by the square of the number of datasets; a lone seed adds images only."""
    draw = np.random.default_rng(9)
    first, second = draw.normal(size=(3, 30)) + np.arange(30), draw.normal(size=(1, 50))
    first += seed_effect * np.array([[-1.0], [0.0], [1.0]]) - first.mean(1, keepdims=True)
    s, n = first.shape
    residual = ((first - first.mean(0) - first.mean(1, keepdims=True) + first.mean()) ** 2).sum() / ((s - 1) * (n - 1))
    images, lone = first.mean(0).var(ddof=1) / n, second[0].var(ddof=1) / 50
    seeds = first.mean(1).var(ddof=1) / s
    beyond = seeds - residual / (s * n)
    assert (beyond > 0) == (seed_effect > 0), "equal means add nothing"
    total = images + lone + max(0, beyond)
    found = mean_test([first.mean(1), second.mean(1)], [[first], [second]])
    assert found.standard_error**2 == pytest.approx(total / 4)
    below = images**2 / (n - 1) + lone**2 / 49 + (seeds**2 / (s - 1) if beyond > 0 else 0)
    assert found.df == pytest.approx(total**2 / below)
    assert found.image_error**2 == pytest.approx((images + lone - residual / (s * n)) / 4)
    assert (found.n, found.groups) == (4, 2)


def test_the_difference_of_two_means_is_welchs_test():
    hard, easy = [0.2, 0.1, 0.25, 0.05], [0.01, 0.02, 0.0]
    found = difference_of_means(mean_test([hard]), mean_test([easy]))
    wanted = reference.ttest_ind(hard, easy, equal_var=False)
    assert found.mean == pytest.approx(np.mean(hard) - np.mean(easy))
    assert (found.p, found.df) == (pytest.approx(wanted.pvalue), pytest.approx(wanted.df))
    assert difference_of_means(mean_test([hard]), mean_test([[0.01]])).p is None


@pytest.mark.parametrize(("low", "clear"), [(0.0004, False), (0.0006, True), (-0.0001, False)])
def test_an_interval_that_is_printed_with_an_end_of_zero_is_not_clear(low: float, clear: bool) -> None:
    assert MeanTest(0.01, 3, 1, 0.005, 2, low, 0.02, 0.04).clear is clear
    assert MeanTest(-0.01, 3, 1, 0.005, 2, -0.02, -low, 0.04).clear is clear
