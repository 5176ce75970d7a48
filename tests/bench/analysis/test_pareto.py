"""The Pareto front against its definition."""

from itertools import pairwise

import numpy as np

from bench.analysis.pareto import pareto_front


def test_a_dominated_point_is_never_on_the_front():
    assert pareto_front([1, 2, 3, 3], [0.5, 0.7, 0.7, 0.8]).tolist() == [True, True, False, True]


def test_equal_entries_share_the_front_and_the_costlier_of_equal_scores_is_off_it():
    assert pareto_front([1, 1, 2], [0.5, 0.5, 0.5]).tolist() == [True, True, False]


def test_the_front_equals_its_definition():
    draw = np.random.default_rng(3)
    cost, score = draw.integers(0, 6, 40), draw.integers(0, 6, 40)
    expected = [
        not any(
            cost[j] <= cost[i] and score[j] >= score[i] and (cost[j] < cost[i] or score[j] > score[i])
            for j in range(40)
        )
        for i in range(40)
    ]
    assert pareto_front(cost, score).tolist() == expected


def test_permuting_entries_permutes_the_front_and_scores_rise_with_cost_along_it():
    draw = np.random.default_rng(1)
    cost, score, order = draw.random(30), draw.random(30), draw.permutation(30)
    front = pareto_front(cost, score)
    assert pareto_front(cost[order], score[order]).tolist() == front[order].tolist()
    along = sorted(zip(cost[front], score[front], strict=True))
    assert all(a[1] < b[1] for a, b in pairwise(along))
