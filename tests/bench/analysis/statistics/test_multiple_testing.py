"""Adjusted p values and ranges of ranks: examples computed by hand, and the stepwise definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.statistics.hypothesis_tests import holm, rank_ranges


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


def test_a_four_way_tie_is_1_to_4():
    assert [str(r) for r in rank_ranges(["a", "b", "c", "d"], {})] == ["1–4"] * 4


def test_rank_ranges_follow_the_significant_differences():
    better = {("a", "b"): True, ("a", "c"): True, ("b", "c"): False}
    assert [str(r) for r in rank_ranges(["a", "b", "c"], better)] == ["1", "2–3", "2–3"]
