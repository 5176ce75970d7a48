"""Power of t tests, compared with SciPy's distributions and with printed tables."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats as reference

from bench.analysis.statistics.intervals import MeanTest, grouped_t
from bench.analysis.statistics.power import (
    detectable_difference,
    grouped_power,
    grouped_seeds_needed,
    seeds_needed,
    t_power,
)


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


def test_the_power_of_the_grouped_test_equals_its_simulation():
    draw = np.random.default_rng(4)
    groups, seeds, effect, spread = 6, 3, 0.012, 0.02
    planned = grouped_t(_with_spread(groups, seeds, spread))
    tests = [grouped_t(draw.normal(effect, spread, (groups, seeds)).tolist()) for _ in range(4000)]
    assert np.mean([test.p <= 0.05 and test.mean > 0 for test in tests]) == pytest.approx(
        grouped_power(planned, effect), abs=0.07
    ), "the plan is optimistic"


def test_detectable_effect_and_seeds_are_the_inverse_of_power():
    test = grouped_t(_with_spread(5, 3, 0.02, mean=0.008))
    assert grouped_power(test, detectable_difference(test)) == pytest.approx(0.8)
    seeds = grouped_seeds_needed(test)
    assert grouped_power(test, test.mean, seeds / 3) >= 0.8 > grouped_power(test, test.mean, (seeds - 1) / 3)
    assert grouped_seeds_needed(grouped_t([[0.1], [0.2]])) is None
    assert detectable_difference(grouped_t([[0.1, 0.1], [0.2, 0.2]])) is None


def test_more_seeds_do_not_reduce_the_noise_of_the_images():
    seeds_alone = MeanTest(0.01, n=15, groups=5, standard_error=0.01, df=10)
    mostly_images = replace(seeds_alone, image_error=0.0099)
    assert grouped_power(seeds_alone, 0.01, 50) == pytest.approx(1.0, abs=1e-3)
    assert grouped_power(mostly_images, 0.01, 50) < 0.2
    assert grouped_seeds_needed(seeds_alone) is not None
    assert grouped_seeds_needed(mostly_images) is None


def _with_spread(groups, seeds, spread, mean=0.0):
    """Groups whose sample standard deviation is exactly that."""
    offsets = np.linspace(-1, 1, seeds)
    return [(mean + spread * offsets / offsets.std(ddof=1)).tolist() for _ in range(groups)]
