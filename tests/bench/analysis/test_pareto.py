"""The Pareto front against its definition."""

import numpy as np
import pytest

from bench.analysis.pareto import pareto_front


def test_equal_entries_share_the_front_and_the_costlier_of_equal_scores_is_off_it():
    assert pareto_front([1, 1, 2], [0.5, 0.5, 0.5]).tolist() == [True, True, False]


@pytest.mark.parametrize("seed", [1, 3])
def test_the_front_equals_its_definition(seed):
    cost, score = np.random.default_rng(seed).integers(0, 6, (2, 40))
    dominated = [
        any(c <= cost[i] and s >= score[i] and (c < cost[i] or s > score[i]) for c, s in zip(cost, score, strict=True))
        for i in range(40)
    ]
    assert pareto_front(cost, score).tolist() == [not worse for worse in dominated]
