"""Intervals of many differences at once, against tables, SciPy and simulations with known truth."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from bench.analysis.statistics.intervals import MeanTest
from bench.analysis.statistics.simultaneous import (
    SimultaneousTests,
    dunnett_limit,
    dunnett_p,
    lead_by_chance,
    normal_scale,
    t_scale,
)


@pytest.mark.parametrize(("k", "df"), [(1, 10), (2, 5), (5, 20), (30, 10)])
def test_limits_are_those_of_simulated_differences_from_one_control(k, df):
    draw = np.random.default_rng(k)
    best = draw.normal(size=(200_000, k)).max(axis=1) - draw.normal(size=200_000)
    t = best / np.sqrt(2) / np.sqrt(draw.chisquare(df, 200_000) / df)
    assert dunnett_limit(k, df) == pytest.approx(np.quantile(t, 0.975), rel=0.015)
    assert dunnett_p(dunnett_limit(k, df), k, df) == pytest.approx(0.025, abs=1e-4)


def test_limits_are_scipys():
    draw = np.random.default_rng(0)
    control, *others = draw.normal(size=(5, 8))
    error = np.sqrt(np.mean([np.var(one, ddof=1) for one in (control, *others)]) * 2 / 8)
    t = (others[0].mean() - control.mean()) / error
    wanted = stats.dunnett(*others, control=control, alternative="greater", random_state=draw).pvalue[0]
    assert dunnett_p(t, 4, 5 * 7) == pytest.approx(wanted, abs=0.005)


def test_the_normal_scale_is_that_of_equal_probability():
    for df in (3, 8, 40):
        for t in (0.5, 2.0, 4.0):
            assert float(normal_scale(t, df)) == pytest.approx(-stats.norm.ppf(stats.t.sf(t, df)), rel=0.02)
            assert float(t_scale(normal_scale(t, df), df)) == pytest.approx(t)


def differences(means: np.ndarray, errors: np.ndarray, df: float) -> dict[tuple[str, str], MeanTest]:
    """Differences of independent means with their errors."""
    names = [f"m{number:02}" for number in range(len(means))]
    return {
        (names[a], names[b]): MeanTest.from_error(means[a] - means[b], 9, 3, np.hypot(errors[a], errors[b]), df)
        for a, b in combinations(range(len(means)), 2)
    }


def test_one_pair_keeps_its_own_interval():
    tests = differences(np.array([0.1, 0.0]), np.array([0.02, 0.03]), 7.0)
    assert SimultaneousTests(tests, tuple(tests)).intervals == tests


def test_all_pairs_of_equal_errors_have_tukeys_limit():
    tests = differences(np.zeros(6), np.full(6, 0.02), 1e6)
    found = next(iter(SimultaneousTests(tests, tuple(tests)).intervals.values()))
    wanted = stats.studentized_range.ppf(0.95, 6, 1e6) / np.sqrt(2) * found.standard_error
    assert found.high - found.mean == pytest.approx(wanted, rel=0.03)


def unlike_distances() -> dict[tuple[str, str], MeanTest]:
    """Errors estimated from three seeds, of which one method has large ones: no points have these distances."""
    errors = {"a b": 0.0023, "a c": 0.0085, "b c": 0.0116, "a d": 0.122, "b d": 0.109, "c d": 0.092}
    df = {"a b": 2.3, "a c": 15.8, "b c": 4.0, "a d": 3.5, "b d": 3.7, "c d": 4.1}
    return {
        (pair[0], pair[2]): MeanTest.from_error(0.0, 9, 3, error, df[pair], level=0.95)
        for pair, error in errors.items()
    }


def test_intervals_are_not_longer_than_bonferronis_where_errors_are_no_distances():
    tests = unlike_distances()
    for pair, found in SimultaneousTests(tests, tuple(tests)).intervals.items():
        limit = stats.t.ppf(1 - 0.025 / len(tests), tests[pair].df)
        assert found.high <= 1.1 * limit * tests[pair].standard_error, pair


def test_the_lead_by_chance_follows_the_errors_where_they_are_no_distances():
    errors = {("a", "b"): 0.02, ("a", "zero"): 0.001, ("b", "zero"): 0.001}
    tests = {pair: MeanTest.from_error(0.0, 9, 3, error, 8.0) for pair, error in errors.items()}
    assert lead_by_chance(tests, "zero") <= 1.05 * 0.002 / np.sqrt(2 * np.pi)  # of two with a correlation of -1


@pytest.mark.parametrize("k", [3, 12])
@pytest.mark.parametrize("spread", [1.0, 8.0])
def test_some_interval_misses_in_five_per_cent_of_families(k, spread):
    """Methods without a difference, errors that differ by a factor and are estimated with eight degrees of freedom."""
    draw = np.random.default_rng(k)
    true = np.geomspace(0.01, 0.01 * spread, k)
    missed, repetitions = 0, 60
    for _ in range(repetitions):
        means = true * draw.normal(size=k)
        errors = true * np.sqrt(draw.chisquare(8, size=k) / 8)
        tests = differences(means, errors, 12.0)
        missed += any(test.clear for test in SimultaneousTests(tests, tuple(tests)).intervals.values())
    assert missed <= stats.binom.ppf(0.999, repetitions, 0.05)


def test_the_lead_by_chance_is_the_expected_maximum():
    """The mean of the maximum of five independent normal values, minus a control that varies too (Tippett 1925)."""
    tests = differences(np.zeros(6), np.full(6, 0.02), 30.0)
    assert lead_by_chance(tests, "m00") == pytest.approx(0.02 * 1.163, rel=0.05)


def test_methods_that_never_differ_stay_together():
    tests = differences(np.array([0.2, 0.1, 0.0]), np.array([0.02, 0.02, 0.02]), 9.0)
    tests["m00", "m01"] = MeanTest(0.0, 9, 3)
    members = tuple(pair for pair, test in tests.items() if test.standard_error is not None)
    assert set(SimultaneousTests(tests, members).intervals) == set(members)
