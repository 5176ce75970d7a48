"""Many differences at once: intervals against tables, SciPy and simulations, adjusted p values, and ranks."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bench.analysis.statistics.hypothesis_tests import holm, rank_ranges
from bench.analysis.statistics.intervals import MeanTest
from bench.analysis.statistics.simultaneous import dunnett_limit, dunnett_p, family_tests, lead_by_chance


@pytest.mark.parametrize(("k", "df"), [(1, 10), (2, 5), (30, 10)])
def test_limits_are_those_of_simulated_differences_from_one_control(k, df):
    draw = np.random.default_rng(k)
    best = draw.normal(size=(200_000, k)).max(axis=1) - draw.normal(size=200_000)
    t = best / np.sqrt(2) / np.sqrt(draw.chisquare(df, 200_000) / df)
    assert dunnett_limit(k, df) == pytest.approx(np.quantile(t, 0.975), rel=0.015)
    assert dunnett_p(dunnett_limit(k, df), k, df) == pytest.approx(0.025, abs=1e-4)


def differences(means: np.ndarray, errors: np.ndarray, df: float) -> dict[tuple[str, str], MeanTest]:
    """Differences of independent means with their errors."""
    names = [f"m{number:02}" for number in range(len(means))]
    return {
        (names[a], names[b]): MeanTest.from_error(means[a] - means[b], 9, 3, np.hypot(errors[a], errors[b]), df)
        for a, b in combinations(range(len(means)), 2)
    }


def test_many_pairs_have_bonferronis_limit_with_their_own_degrees_of_freedom():
    tests = differences(np.array([0.1, 0.05, 0.0]), np.array([0.02, 0.03, 0.04]), 7.0)
    tests["m00", "m01"] = MeanTest.from_error(0.05, 9, 3, 0.03, 2.5)
    for pair, found in family_tests(tests, 0.05).items():
        before = tests[pair]
        limit = stats.t.ppf(1 - 0.05 / 2 / 3, before.df)
        assert found.high - found.mean == pytest.approx(limit * before.standard_error)
        assert found.p == pytest.approx(min(1.0, 3 * before.p))
        assert family_tests({pair: before}, 0.025) == {pair: before}, "one pair keeps its own interval"


@pytest.mark.parametrize(("k", "df", "dunnetts"), [(30, 50.0, True), (30, 3.0, False)])
def test_pairs_with_one_control_have_dunnetts_limit_where_it_is_lower(k, df, dunnetts):
    tests = {(f"m{i:02}", "zero"): MeanTest.from_error(0.01 * i, 9, 3, 0.02, 50.0) for i in range(k)}
    tests["m00", "zero"] = MeanTest.from_error(0.0, 9, 3, 0.02, df)
    found = family_tests(tests, 0.05, "zero")["m20", "zero"]
    bonferroni, dunnett = stats.t.ppf(1 - 0.025 / k, 50.0), dunnett_limit(k, df)
    assert (dunnett < bonferroni) == dunnetts
    assert (found.high - found.mean) / 0.02 == pytest.approx(min(dunnett, bonferroni))


@pytest.mark.parametrize("level", [0.05, 0.025])
@pytest.mark.parametrize("control", [None, "zero"])
def test_an_interval_contains_zero_exactly_if_p_is_above_five_per_cent(level, control):
    means = np.linspace(0, 0.2, 60)
    tests = {(f"m{i:02}", "zero"): MeanTest.from_error(mean, 9, 3, 0.02, 20.0) for i, mean in enumerate(means)}
    found = family_tests(tests, level, control).values()
    assert 0 < sum(test.clear for test in found) < 60
    contains_zero = [test.low <= 0 <= test.high for test in found]
    assert contains_zero == [test.p > 0.05 for test in found]


def test_the_lead_by_chance_follows_the_errors_where_they_are_no_distances():
    errors = {("a", "b"): 0.02, ("a", "zero"): 0.001, ("b", "zero"): 0.001}
    tests = {pair: MeanTest.from_error(0.0, 9, 3, error, 8.0) for pair, error in errors.items()}
    assert lead_by_chance(tests, "zero") <= 1.05 * 0.002 / np.sqrt(2 * np.pi)  # of two with a correlation of -1


def test_the_lead_by_chance_is_the_expected_maximum():
    """The mean of the maximum of five independent normal values, minus a control that varies too (Tippett 1925)."""
    tests = differences(np.zeros(6), np.full(6, 0.02), 30.0)
    assert lead_by_chance(tests, "m00") == pytest.approx(0.02 * 1.163, rel=0.05)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_rejects_what_the_stepwise_rule_rejects(p_values):
    adjusted = holm(p_values)
    order = np.argsort(p_values, kind="stable")
    for level in (0.01, 0.05, 0.2):
        rejected = set()
        for step, i in enumerate(order):
            if p_values[i] * (len(p_values) - step) > level:
                break
            rejected.add(int(i))
        assert set(np.flatnonzero(adjusted <= level).tolist()) == rejected


def test_families_are_adjusted_row_by_row():
    p = np.random.default_rng(9).random((5, 6))
    assert holm(p) == pytest.approx(np.array([holm(row) for row in p]))
    with pytest.raises(ValueError, match=r"0\.\.1"):
        holm([0.5, 1.5])


def test_rank_ranges_follow_the_significant_differences():
    better = {("a", "b"): True, ("a", "c"): True, ("b", "c"): False}
    assert [str(r) for r in rank_ranges(["a", "b", "c"], better)] == ["1", "2–3", "2–3"]
    assert [str(r) for r in rank_ranges(["a", "b", "c", "d"], {})] == ["1–4"] * 4
