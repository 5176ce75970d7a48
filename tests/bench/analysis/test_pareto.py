from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import norm, t

from bench.analysis.metrics.scores import MetricInputError
from bench.analysis.pareto import front_probability, pareto_front


def generator(seed=0):
    return np.random.default_rng(seed)


def test_a_dominated_point_is_never_on_the_front():
    assert pareto_front([1, 2, 3, 3], [0.5, 0.7, 0.7, 0.8]).tolist() == [True, True, False, True]


def test_equal_entries_share_the_front_and_the_costlier_of_equal_scores_is_off_it():
    assert pareto_front([1, 1, 2], [0.5, 0.5, 0.5]).tolist() == [True, True, False]


def test_the_front_equals_its_definition():
    draw = generator(3)
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
    draw = generator(1)
    cost, score, order = draw.random(30), draw.random(30), draw.permutation(30)
    front = pareto_front(cost, score)
    assert pareto_front(cost[order], score[order]).tolist() == front[order].tolist()
    along = sorted(zip(cost[front], score[front], strict=True))
    assert all(a[1] < b[1] for a, b in pairwise(along))


def test_the_cheapest_is_always_on_the_front_and_a_worse_and_costlier_entry_never():
    scores = generator().normal(0.6, 0.001, (3, 4, 3))
    scores[2] -= 0.3
    found = front_probability([1, 2, 3], scores, generator=generator())
    assert found[0] == 1
    assert found[2] == 0


def test_one_dataset_gives_the_t_probability_of_the_paired_difference():
    """The costlier of two entries is on the front if its resampled mean is above the other's."""
    scores = np.array([[[0.60, 0.62, 0.61]], [[0.61, 0.625, 0.625]]])
    difference = scores[1, 0] - scores[0, 0]
    expected = t.cdf(difference.mean() / (difference.std(ddof=1) / 3**0.5), df=2)
    found = front_probability([1, 2], scores, generator=generator(), replicates=40_000)
    assert found[1] == pytest.approx(expected, abs=0.01)


def test_many_datasets_without_seed_noise_give_the_normal_probability():
    difference = generator(2).normal(0.002, 0.01, 60)
    scores = np.stack([np.full(60, 0.5), 0.5 + difference])[:, :, None]
    expected = norm.cdf(difference.mean() / (difference.std() / 60**0.5))
    found = front_probability([1, 2], scores, generator=generator(), replicates=40_000)
    assert found[1] == pytest.approx(expected, abs=0.01)


def test_seed_noise_shared_by_all_methods_does_not_blur_their_order():
    shared = generator(4).normal(0, 0.1, (1, 5, 3))
    scores = np.array([0.5, 0.51])[:, None, None] + shared
    assert front_probability([1, 2], scores, generator=generator()).tolist() == [1, 1]


def test_base_and_new_enter_as_the_harmonic_mean_of_their_averages():
    """H of the averages of the second entry, 0.6, is below 0.62."""
    scores = np.zeros((2, 1, 1, 2))
    scores[0, 0, 0] = (0.62, 0.62)
    scores[1, 0, 0] = (0.9, 0.45)
    assert front_probability([1, 2], scores, generator=generator()).tolist() == [1, 0]


def test_both_accuracies_zero_are_a_harmonic_mean_of_zero():
    assert front_probability([1], np.zeros((1, 2, 2, 2)), generator=generator()).tolist() == [1]


@pytest.mark.parametrize("scores", [np.zeros((2, 3)), np.zeros((2, 1, 1, 3)), np.zeros((0, 1, 1))])
def test_other_shapes_are_errors(scores):
    with pytest.raises(MetricInputError, match="do not fit"):
        front_probability([1, 2], scores, generator=generator())


def test_values_that_are_not_finite_are_errors():
    with pytest.raises(MetricInputError, match="not a finite number"):
        pareto_front([1, 2], [0.5, float("nan")])


def test_h_below_one_half_counts():
    """Base and new accuracies of 0.2 and 0.3: their sum is below 1, their H is not 0."""
    scores = np.array([[[[0.2, 0.2]] * 2] * 2, [[[0.3, 0.3]] * 2] * 2])  # (methods, datasets, seeds, base and new)
    assert front_probability([1, 2], scores, generator=generator()).tolist() == [1.0, 1.0]
