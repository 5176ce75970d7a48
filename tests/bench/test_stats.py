import math

import numpy as np
import pytest
from scipy import stats as reference

from bench.stats import spearman, student_t


def test_the_interval_of_three_seeds_by_hand():
    estimate = student_t([0.70, 0.80, 0.90])
    assert estimate.mean == pytest.approx(0.80)
    assert estimate.std == pytest.approx(0.10)
    assert estimate.half_width == pytest.approx(4.302653 * 0.10 / math.sqrt(3), abs=1e-6)
    assert estimate.low is not None
    assert estimate.high == pytest.approx(2 * estimate.mean - estimate.low)


@pytest.mark.parametrize("n", [2, 3, 5, 20])
def test_the_interval_equals_scipy(n):
    values = np.random.default_rng(n).normal(size=n)
    low, high = reference.t.interval(0.95, n - 1, loc=values.mean(), scale=reference.sem(values))
    estimate = student_t(list(values))
    assert (estimate.low, estimate.high) == (pytest.approx(low), pytest.approx(high))


def test_one_value_has_no_interval():
    estimate = student_t([0.5])
    assert (estimate.n, estimate.std, estimate.half_width, estimate.low, estimate.high) == (1, None, None, None, None)


def test_no_value_is_an_error():
    with pytest.raises(ValueError, match="at least one value"):
        student_t([])


def test_three_seeds_cover_95_percent():
    """The reason for Student-t: the formula common in the field covers 75 % with three seeds."""
    draws = np.random.default_rng(0).normal(size=(2000, 3))
    estimates = [student_t(list(row)) for row in draws]
    assert 0.93 <= np.mean([abs(e.mean) <= e.half_width for e in estimates]) <= 0.97


@pytest.mark.parametrize("n", [4, 6, 11, 30])
def test_rho_equals_scipy_with_ties(n):
    generator = np.random.default_rng(n)
    x, y = generator.integers(0, 5, n).tolist(), generator.normal(size=n).tolist()
    found = spearman(x, y)
    assert found is not None
    assert found.rho == pytest.approx(reference.spearmanr(x, y).statistic)


def test_exact_p_by_hand():
    """Of the 24 orders of four, one rises throughout and one falls throughout."""
    found = spearman([1, 2, 3, 4], [1, 2, 3, 4])
    assert found is not None
    assert (found.rho, found.p) == (1.0, pytest.approx(2 / 24))
    assert not found.beyond_chance()


def test_the_approximate_p_equals_scipy():
    x, y = list(range(11)), [0, 2, 1, 4, 3, 6, 5, 7, 10, 8, 9]
    found = spearman(x, y)
    assert found is not None
    assert found.p == pytest.approx(reference.spearmanr(x, y).pvalue)
    assert found.beyond_chance()


def test_nothing_is_claimed_of_a_constant_or_of_two_pairs():
    assert spearman([1, 2, 3], [5, 5, 5]) is None
    assert spearman([1, 2], [1, 2]) is None
    with pytest.raises(ValueError, match="pairs"):
        spearman([1, 2], [1])
