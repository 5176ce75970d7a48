"""Power of t tests, compared with SciPy's distributions and with printed tables."""

import math

import pytest
from scipy import stats as reference

from bench.statistics import detectable_difference, grouped_power, grouped_t
from bench.statistics.power import seeds_needed, t_power


def test_t_power_is_that_of_the_noncentral_t():
    shift, critical = 0.8 * math.sqrt(6), reference.t.ppf(0.975, 5)
    wanted = reference.nct.sf(critical, 5, shift) + reference.nct.cdf(-critical, 5, shift)
    assert t_power(0.8, 1.0, 6) == pytest.approx(wanted, rel=1e-6)


def test_seeds_needed_is_the_first_count_with_the_power():
    """Cohen's tables: a paired effect of 0.8 standard deviations takes 15, of 0.5 takes 34."""
    assert (seeds_needed(0.8, 1.0), seeds_needed(0.5, 1.0)) == (15, 34)
    for effect in (0.3, 1.0, 3.0):
        n = seeds_needed(effect, 1.0)
        assert n is not None
        assert t_power(effect, 1.0, n) >= 0.8 > t_power(effect, 1.0, n - 1)
    assert seeds_needed(0.0, 1.0) is None
    assert seeds_needed(1e-6, 1.0) is None


def test_the_detectable_difference_has_the_requested_power():
    test = grouped_t([[0.01, 0.03, 0.04], [0.02, 0.05, 0.03]])
    smallest = detectable_difference(test)
    assert smallest is not None
    assert grouped_power(test, smallest) == pytest.approx(0.8)
    assert detectable_difference(grouped_t([[0.1, 0.1], [0.2, 0.2]])) == 0.0
    assert detectable_difference(grouped_t([[0.1]])) is None
