"""Comparisons with the dataset as the unit, against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bench.analysis.easy_and_hard import not_separated
from bench.analysis.statistics import difference_of_means, grouped_t
from bench.analysis.statistics.hypothesis_tests import holm


def test_one_method_against_all_others_is_a_paired_t_test_with_holms_correction():
    values = np.random.default_rng(0).normal([[0.0], [0.5], [0.9], [3.0]], 1.0, (4, 11))
    found = not_separated(values)
    for row in range(4):
        others = [column for column in range(4) if column != row]
        p = holm([stats.ttest_rel(values[row], values[column]).pvalue for column in others])
        assert found[row, others].tolist() == (p > 0.05).tolist()
    assert not found.diagonal().any()
    assert found.any()
    assert not found.all()


@pytest.mark.parametrize("values", [[[0.5], [0.9]], [[0.5, 0.6], [0.7, 0.8]], [[0.5, 0.6], [0.5, 0.6]]])
def test_without_spread_over_datasets_nothing_is_separated(values):
    """One dataset, or the same difference on every dataset: an interval of width zero is no evidence."""
    assert not_separated(values).tolist() == [[False, True], [True, False]]


def test_the_difference_of_two_means_is_welchs_test():
    hard, easy = [0.2, 0.1, 0.25, 0.05], [0.01, 0.02, 0.0]
    found = difference_of_means(grouped_t([hard]), grouped_t([easy]))
    wanted = stats.ttest_ind(hard, easy, equal_var=False)
    assert found.mean == pytest.approx(np.mean(hard) - np.mean(easy))
    assert (found.p, found.df) == (pytest.approx(wanted.pvalue), pytest.approx(wanted.df))
    assert difference_of_means(grouped_t([hard]), grouped_t([[0.01]])).p is None


def test_two_datasets_are_enough_for_a_test():
    """Differences 0.100 and 0.101: t = 201 with one degree of freedom, p = 0.003."""
    assert not not_separated([[0.6, 0.701], [0.5, 0.6]]).any()
    assert not_separated([[0.6], [0.5]])[0, 1], "no spread"
