"""Ranks over several datasets: printed examples, comparisons with SciPy, and brute force."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats as reference

from bench.analysis.statistics.ranks import critical_difference, friedman, nemenyi_constant


@pytest.mark.parametrize("ties", [False, True])
def test_friedman_is_scipys(ties):
    scores = np.random.default_rng(6).normal(size=(11, 4)) + np.array([0, 0.5, 1, 1])
    scores = np.round(scores) if ties else scores
    found, wanted = friedman(scores), reference.friedmanchisquare(*scores.T)
    assert (found.chi_square, found.p) == pytest.approx((wanted.statistic, wanted.pvalue))


def test_demsars_example_of_four_methods_on_fourteen_datasets():
    """Average ranks 3.143, 2.000, 2.893, 1.964; chi-square 9.28 without the correction for ties, which raises it."""
    found = friedman(DEMSAR)
    assert found.ranks == pytest.approx((3.143, 2.000, 2.893, 1.964), abs=1e-3)
    plain = 12 * 14 / 20 * (sum(rank**2 for rank in found.ranks) - 25)
    assert plain == pytest.approx(9.28, abs=0.01)
    assert found.chi_square == pytest.approx(reference.friedmanchisquare(*DEMSAR.T).statistic)
    assert found.chi_square > plain
    shown = critical_difference(["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"], DEMSAR)
    assert shown.difference == pytest.approx(1.25, abs=0.01)  # 2.569 sqrt(4 * 5 / (6 * 14))


# AUC of C4.5, +m, +cf, +m+cf: Demšar 2006, Table 6
DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975], [0.957, 0.978, 0.946, 0.970],
    ]
)  # fmt: skip


def test_nemenyi_constants_are_demsars_table():
    table = {2: 1.960, 3: 2.343, 4: 2.569, 5: 2.728, 6: 2.850, 7: 2.949, 8: 3.031, 9: 3.102, 10: 3.164}
    for k, q in table.items():  # the table is printed with three digits, some of them cut and not rounded
        assert nemenyi_constant(k) == pytest.approx(q, abs=1.5e-3)
    assert nemenyi_constant(10, level=0.1) == pytest.approx(2.920, abs=1e-3)
    assert nemenyi_constant(7) == pytest.approx(
        reference.studentized_range.ppf(0.95, 7, np.inf) / math.sqrt(2), abs=1e-4
    )
    with pytest.raises(ValueError, match="cannot be compared"):
        nemenyi_constant(1)


@pytest.mark.parametrize(("k", "wanted"), [(3, 1.00), (5, 1.84), (8, 3.17), (10, 4.08), (13, 5.50)])
def test_the_critical_difference_over_eleven_datasets_is_divided_by_root_two(k, wanted):
    shown = critical_difference([str(i) for i in range(k)], np.random.default_rng(k).normal(size=(11, k)))
    assert shown.difference == pytest.approx(wanted, abs=0.005)
    assert shown.low_power is (shown.difference > (k - 1) / 3)


def test_cliques_equal_brute_force_on_200_random_tables():
    for seed in range(200):
        draw = np.random.default_rng(seed)
        k, n = int(draw.integers(2, 9)), int(draw.integers(3, 30))
        names = [f"m{i}" for i in range(k)]
        shown = critical_difference(names, draw.normal(size=(n, k)) + draw.normal(size=k))
        rank = dict(zip(shown.names, shown.ranks, strict=True))
        alike = [
            set(group)
            for size in range(2, k + 1)
            for group in itertools.combinations(names, size)
            if max(rank[m] for m in group) - min(rank[m] for m in group) < shown.difference
        ]
        maximal = {frozenset(group) for group in alike if not any(group < other for other in alike)}
        assert {frozenset(clique) for clique in shown.cliques} == maximal


def test_tables_with_gaps_or_too_few_rows_are_errors():
    with pytest.raises(ValueError, match="with gaps"):
        friedman([[1.0, math.nan], [1.0, 2.0]])
    with pytest.raises(ValueError, match="at least 2 datasets x 2 methods"):
        friedman([[1.0, 2.0]])
    with pytest.raises(ValueError, match="2 names for 3 columns"):
        critical_difference(["a", "b"], np.zeros((4, 3)))


def test_methods_that_always_tie_share_the_middle_rank():
    found = friedman(np.ones((4, 3)))
    assert (found.ranks, found.p, found.p_f) == ((2.0, 2.0, 2.0), 1.0, 1.0)


def test_the_f_test_is_iman_and_davenports():
    found = friedman(DEMSAR)
    n, k = np.shape(DEMSAR)
    assert found.f == pytest.approx((n - 1) * found.chi_square / (n * (k - 1) - found.chi_square))
    assert found.p_f == pytest.approx(reference.f.sf(found.f, k - 1, (k - 1) * (n - 1)))
