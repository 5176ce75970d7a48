"""Rank correlation: examples computed by hand, and comparisons with SciPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from bench.analysis.statistics.correlation import kendall_tau, mid_ranks, random_orders, spearman


@pytest.mark.parametrize("n", [4, 6, 11, 30])
def test_rho_equals_scipy_with_ties(n):
    generator = np.random.default_rng(n)
    x, y = generator.integers(0, 5, n).tolist(), generator.normal(size=n).tolist()
    found = spearman(x, y)
    assert found is not None
    assert found.rho == pytest.approx(reference.spearmanr(x, y).statistic)


def test_exact_p_by_hand():
    """Of the 24 orders of four, one rises throughout and one falls throughout."""
    found = spearman([1, 2, 3, 4], [1, 2, 3, 4])
    assert found is not None
    assert (found.rho, found.p) == (1.0, pytest.approx(2 / 24))


def test_the_approximate_p_equals_scipy():
    x, y = list(range(11)), [0, 2, 1, 4, 3, 6, 5, 7, 10, 8, 9]
    found = spearman(x, y)
    assert found is not None
    assert found.p == pytest.approx(reference.spearmanr(x, y).pvalue)


def test_a_constant_or_two_pairs_have_no_correlation():
    assert spearman([1, 2, 3], [5, 5, 5]) is None
    assert spearman([1, 2], [1, 2]) is None
    with pytest.raises(ValueError, match="pairs"):
        spearman([1, 2], [1])


def test_random_orders_approach_the_exact_p():
    x, y = list(range(9)), [2, 1, 4, 3, 6, 5, 9, 7, 0]
    found = spearman(x, y, orders=random_orders(9))
    permuted = reference.permutation_test(
        (x,), lambda order: reference.spearmanr(order, y).statistic, permutation_type="pairings", n_resamples=5_000,
        rng=np.random.default_rng(1),
    )  # fmt: skip
    assert found is not None
    assert found.p == pytest.approx(permuted.pvalue, abs=0.03)


def test_random_orders_never_give_a_p_of_zero():
    found = spearman(list(range(20)), list(range(20)), orders=random_orders(20, count=99))
    assert found is not None
    assert found.p == 0.01


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12))
def test_mid_ranks_are_those_of_scipy(values):
    assert mid_ranks(values).tolist() == reference.rankdata(values).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_kendall_tau_equals_scipy_with_and_without_ties(seed):
    draw = np.random.default_rng(seed)
    first, second = draw.integers(0, 4, (3, 12)), draw.normal(size=(3, 12))
    expected = [reference.kendalltau(a, b).statistic for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(kendall_tau(first, second), expected)
