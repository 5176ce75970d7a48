"""Ratings from wins: examples computed by hand, and the likelihood equations."""

import math

import numpy as np
import pytest
from scipy import optimize

from bench.analysis.statistics.ratings import ELO, bradley_terry, elo_ratings, win_rates


def test_two_methods_by_hand():
    """Three wins to one is odds of three: 400 log10(3) points between them."""
    strengths = bradley_terry([[0, 3], [1, 0]], prior=0.0)
    assert ELO * (strengths[0] - strengths[1]) == pytest.approx(400 * math.log10(3))


def test_strengths_maximise_the_likelihood():
    wins = np.random.default_rng(7).integers(1, 9, (5, 5)).astype(float)
    np.fill_diagonal(wins, 0)

    def loss(theta):
        return sum(wins[i, j] * math.log1p(math.exp(theta[j] - theta[i])) for i in range(5) for j in range(5) if i != j)

    wanted = optimize.minimize(loss, np.zeros(5), method="BFGS", options={"gtol": 1e-9}).x
    assert bradley_terry(wins, prior=0.0) == pytest.approx(wanted - wanted.mean(), abs=1e-6)


def test_several_tables_at_once_equal_each_one_alone():
    wins = np.random.default_rng(8).integers(0, 6, (4, 3, 3)).astype(float)
    assert bradley_terry(wins) == pytest.approx(np.array([bradley_terry(table) for table in wins]), abs=1e-8)


def test_always_winning_needs_a_prior():
    with pytest.raises(ValueError, match="Use a prior above 0"):
        bradley_terry([[0, 4], [0, 0]], prior=0.0)
    assert np.isfinite(bradley_terry([[0, 4], [0, 0]])).all()


def test_ratings_are_ordered_with_win_rates_and_intervals():
    scores = [[0.9, 0.5, 0.5], [0.8, 0.7, 0.2], [0.9, 0.9, 0.1]]
    found = elo_ratings(["a", "b", "c"], scores, generator=np.random.default_rng(0))
    assert [rating.name for rating in found] == ["a", "b", "c"]
    assert [rating.win_rate for rating in found] == pytest.approx([5.5 / 6, 3 / 6, 0.5 / 6])
    assert np.mean([rating.elo for rating in found]) == pytest.approx(1000)
    assert all(rating.low <= rating.elo <= rating.high for rating in found)
    assert win_rates(scores)[0].tolist() == pytest.approx([0.5, 2.5 / 3, 1.0])


def test_one_dataset_has_no_bootstrap():
    (first, _) = elo_ratings(["a", "b"], [[0.9, 0.5]], generator=np.random.default_rng(0))
    assert (first.low, first.high) == (None, None)
    with pytest.raises(ValueError, match="full table of datasets x 2 methods"):
        elo_ratings(["a", "b"], [[0.9]], generator=np.random.default_rng(0))
