"""Equivalence: examples computed by hand, and comparisons with SciPy."""

import numpy as np
import pytest
from scipy import stats as reference

from bench.papers.equivalence import Equivalence, equivalence


def test_equivalence_is_two_one_sided_t_tests():
    values = [0.701, 0.706, 0.699, 0.704]
    found = equivalence(values, margin=0.01, reference=0.70)
    lower = reference.ttest_1samp(np.array(values) - 0.70, -0.01, alternative="greater").pvalue
    upper = reference.ttest_1samp(np.array(values) - 0.70, 0.01, alternative="less").pvalue
    assert found is not None
    assert found.p == pytest.approx(max(lower, upper))
    assert found.equal()
    assert not found.different


def test_no_spread_and_no_repetition():
    exact = equivalence([0.7, 0.7], margin=0.01, reference=0.72)
    assert exact is not None
    assert (exact.p, exact.different) == (1.0, True)
    assert equivalence([0.7], margin=0.01) is None
    with pytest.raises(ValueError, match="does not define equality"):
        equivalence([0.7, 0.8], margin=0.0)


def test_the_interval_of_an_equivalence_equals_scipy():
    values = np.array([0.701, 0.706, 0.699, 0.704])
    for level in (0.9, 0.95):
        low, high = reference.t.interval(level, 3, loc=values.mean() - 0.7, scale=reference.sem(values))
        found = equivalence(list(values), margin=0.01, reference=0.70, level=level)
        assert found is not None
        assert (found.low, found.high) == pytest.approx((low, high))
        assert found.n == 4


def test_without_spread_only_a_difference_below_the_margin_is_equal():
    for shift, p in [(0.25, 0.0), (0.5, 1.0), (-0.25, 0.0), (-0.75, 1.0)]:
        found = equivalence([1.0 + shift, 1.0 + shift], margin=0.5, reference=1.0)
        assert found is not None
        assert found.p == p


def test_bounds_of_equal_and_different():
    def found(low: float, high: float, p: float) -> Equivalence:
        return Equivalence((low + high) / 2, low, high, p, margin=1.0, n=3)

    assert found(-0.5, 0.5, 0.05).equal()
    assert not found(-0.5, 0.5, 0.0501).equal()
    assert found(-0.5, 0.5, 0.09).equal(0.1)
    assert [found(low, low + 1, 0.5).different for low in (1.0, 1.01, -2.0, -2.01, 0.0)] == [
        False, True, False, True, False,
    ]  # fmt: skip


def test_equivalence_is_claimed_at_the_margin_in_at_most_5_percent_and_inside_it_often():
    draw = np.random.default_rng(8)
    edge = [equivalence(list(row), margin=0.01) for row in draw.normal(0.01, 0.003, (2000, 3))]
    inside = [equivalence(list(row), margin=0.01) for row in draw.normal(0.0, 0.002, (500, 3))]
    assert np.mean([test.equal() for test in edge]) <= 0.06
    assert np.mean([test.equal() for test in inside]) >= 0.8
