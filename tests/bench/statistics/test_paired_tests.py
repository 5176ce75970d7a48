"""Tests of pairs and their power: examples worked by hand, and each against an oracle written another way."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats as reference

from bench.statistics.paired_tests import (
    detectable_between_classifiers,
    detectable_effect,
    equivalence,
    mcnemar,
    mcnemar_p,
    seeds_needed,
    t_power,
)


def test_mcnemar_by_hand():
    """Six flips, one against five: 2 (1 + 6) / 64."""
    a = [1, 1, 1, 1, 1, 0, 1, 0]
    b = [0, 0, 0, 0, 0, 1, 1, 0]
    found = mcnemar(a, b)
    assert (found.only_a, found.only_b, found.n) == (5, 1, 8)
    assert found.p == pytest.approx(14 / 64)
    assert found.difference == 0.5


def test_mcnemar_is_the_binomial_test():
    for a, b in itertools.product(range(7), range(7)):
        wanted = reference.binomtest(a, a + b, 0.5).pvalue if a + b else 1.0
        assert float(mcnemar_p(a, b)) == pytest.approx(wanted)


def test_outcomes_of_different_images_are_refused():
    with pytest.raises(ValueError, match="one outcome of each for every image"):
        mcnemar([1, 0], [1])


def test_equivalence_is_two_one_sided_t_tests():
    values = [0.701, 0.706, 0.699, 0.704]
    found = equivalence(values, margin=0.01, reference=0.70)
    lower = reference.ttest_1samp(np.array(values) - 0.70, -0.01, alternative="greater").pvalue
    upper = reference.ttest_1samp(np.array(values) - 0.70, 0.01, alternative="less").pvalue
    assert found is not None
    assert found.p == pytest.approx(max(lower, upper))
    assert found.equal()
    assert not found.apart


def test_no_spread_and_no_repetition():
    exact = equivalence([0.7, 0.7], margin=0.01, reference=0.72)
    assert exact is not None
    assert (exact.p, exact.apart) == (1.0, True)
    assert equivalence([0.7], margin=0.01) is None
    with pytest.raises(ValueError, match="does not define equality"):
        equivalence([0.7, 0.8], margin=0.0)


def test_the_detectable_difference_of_pets_and_dtd():
    """PEERS' figures: 10 % discordant, 80 % power."""
    assert detectable_between_classifiers(50_000, 0.1) == pytest.approx(0.0040, abs=1e-4)
    assert detectable_between_classifiers(1_692, 0.1) == pytest.approx(0.0215, abs=1e-4)


@pytest.mark.parametrize(("n", "discordant"), [(1_692, 0.1), (3_669, 0.05), (8_100, 0.2)])
def test_the_detectable_difference_is_the_closed_form_within_5_percent(n, discordant):
    wanted = (reference.norm.ppf(0.975) + reference.norm.ppf(0.8)) * math.sqrt(discordant / n)
    assert detectable_between_classifiers(n, discordant) == pytest.approx(wanted, rel=0.05)


def test_impossible_shares_are_refused():
    with pytest.raises(ValueError, match="discordant share of 1.5"):
        detectable_between_classifiers(10, 1.5)


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


def test_the_detectable_effect_has_the_power_asked_for():
    effect = detectable_effect(0.02, 3)
    assert effect is not None
    assert t_power(effect, 0.02, 3) == pytest.approx(0.8)
    assert detectable_effect(0.02, 1) is None
    assert detectable_effect(0.0, 3) == 0.0
