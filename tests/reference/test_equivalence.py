"""The equivalence test decides as it promises."""

from __future__ import annotations

import numpy as np
import pytest
from equivalence import tost
from scipy import stats


def test_it_is_the_larger_of_two_one_sided_t_tests() -> None:
    values = np.random.default_rng(0).normal(0.01, 0.1, 50)
    above = stats.ttest_1samp(values, -0.03, alternative="greater").pvalue
    below = stats.ttest_1samp(values, 0.03, alternative="less").pvalue
    assert tost(values.tolist(), 0.03) == pytest.approx(max(above, below))


def test_equal_results_are_equivalent_and_a_constant_difference_beyond_the_margin_is_not() -> None:
    assert tost([0.0, 0.0, 0.0], 0.01) == 0
    assert tost([0.02, 0.02, 0.02], 0.01) == 1


def test_at_the_margin_one_decision_in_twenty_is_equivalent() -> None:
    draw = np.random.default_rng(1)
    accepted = [tost(draw.normal(0.03, 0.2, 200).tolist(), 0.03) < 0.05 for _ in range(2000)]
    assert np.mean(accepted) == pytest.approx(0.05, abs=0.015)


def test_one_difference_is_refused() -> None:
    with pytest.raises(ValueError, match="least two differences, not 1"):
        tost([0.1], 0.03)
