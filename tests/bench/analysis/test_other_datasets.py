"""Differences of independent means, against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from small_noise import mean_test

from bench.analysis.statistics import difference_of_means


def test_the_difference_of_two_means_is_welchs_test():
    hard, easy = [0.2, 0.1, 0.25, 0.05], [0.01, 0.02, 0.0]
    found = difference_of_means(mean_test([hard]), mean_test([easy]))
    wanted = stats.ttest_ind(hard, easy, equal_var=False)
    assert found.mean == pytest.approx(np.mean(hard) - np.mean(easy))
    assert (found.p, found.df) == (pytest.approx(wanted.pvalue), pytest.approx(wanted.df))
    assert difference_of_means(mean_test([hard]), mean_test([[0.01]])).p is None
