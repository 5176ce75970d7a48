"""What a test tells, and what tells half of it: against SciPy's noncentral t, printed tables and simulations."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats as reference
from small_noise import mean_test

from bench.analysis.statistics import crossed, mean_tests
from bench.analysis.statistics.intervals import MeanTest
from bench.analysis.statistics.power import detectable_difference


def plain_power(effect: float, std: float, n: int) -> float:
    """Power of the two-sided paired t test of n pairs by SciPy's noncentral t, without the far side."""
    return float(reference.nct.sf(reference.t.ppf(0.975, n - 1), n - 1, effect / std * math.sqrt(n)))


@pytest.mark.parametrize("n", [3, 4, 10, 34])
def test_of_one_dataset_it_is_that_of_the_noncentral_t(n: int):
    found = detectable_difference(MeanTest.from_error(0.0, n, 1, 0.02 / math.sqrt(n), n - 1))
    assert plain_power(found.difference, 0.02, n) == pytest.approx(0.8, abs=1e-6)
    half = found.difference / 2
    assert plain_power(half, 0.02, found.seeds_for_half) >= 0.8 > plain_power(half, 0.02, found.seeds_for_half - 1)


def test_in_simulations_it_is_told_four_times_in_five_and_half_of_it_with_those_seeds_or_datasets():
    """Six datasets whose spread between seeds is known."""
    draw, groups, seeds, spread = np.random.default_rng(4), 6, 3, 0.02
    offsets = np.linspace(-1, 1, seeds)
    plan = mean_test([(spread * offsets / offsets.std(ddof=1)).tolist()] * groups)
    found = detectable_difference(plan)
    designs = (1, seeds, groups), (2, found.seeds_for_half, groups), (2, seeds, found.datasets_for_half)
    for parts, n_seeds, n_datasets in designs:
        tables = draw.normal(found.difference / parts, spread, (1500, n_datasets, n_seeds))
        tests = mean_tests([crossed(tables[:, dataset], [], range(1500)) for dataset in range(n_datasets)])
        told = np.mean([test.p <= 0.05 and test.mean > 0 for test in tests])
        # three standard errors, and as much for the degrees of freedom, which other draws have
        assert told == pytest.approx(0.8, abs=6 * math.sqrt(0.8 * 0.2 / 1500))


def test_more_seeds_do_not_reduce_the_noise_of_the_images():
    seeds_alone = MeanTest.from_error(0.0, 15, 5, 0.01, 10)
    found, mostly_images = (
        detectable_difference(test) for test in (seeds_alone, replace(seeds_alone, image_error=0.0099))
    )
    assert 3 < found.seeds_for_half < 20
    assert mostly_images.seeds_for_half is None
    assert 15 < mostly_images.datasets_for_half <= 20, "four times as many, less what the degrees of freedom give"


def test_a_wider_interval_tells_larger_differences():
    test = MeanTest.from_error(0.0, 15, 5, 0.01, 10)
    wider = replace(test, low=2 * test.low, high=2 * test.high)
    plain, allowing = detectable_difference(test), detectable_difference(wider)
    limit, df = 2 * reference.t.ppf(0.975, 10), 10
    assert float(reference.nct.sf(limit, df, allowing.difference / 0.01)) == pytest.approx(0.8, abs=1e-6)
    assert allowing.difference > 1.4 * plain.difference


def test_without_a_spread_nothing_is_known():
    assert detectable_difference(mean_test([[0.1, 0.1], [0.2, 0.2]])) is None


def test_more_datasets_are_not_promised_where_each_run_is_tested_on_all():
    test = MeanTest.from_error(0.0, n=12, groups=4, error=0.01, df=8)
    alone, shared = detectable_difference(test), detectable_difference(replace(test, shared_training=True))
    assert (shared.difference, shared.datasets_for_half) == (alone.difference, None)
    assert alone.datasets_for_half is not None
