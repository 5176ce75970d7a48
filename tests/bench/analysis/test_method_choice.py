"""The two policies that choose a method before any training, against plain loops over the datasets."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.analysis.method_choice import Known, Policy, positions, standard_error


def known(values, places) -> Known:
    methods, datasets = (tuple(map(str, range(size))) for size in np.shape(values))
    difficulty = tuple(None if place is None else math.exp(place) for place in places)
    return Known(methods, datasets, np.asarray(values, dtype=float), difficulty, (0.5,) * len(datasets))


def seen_by(places, policy, left):
    seen = [d for d in range(len(places)) if d != left]
    if policy is Policy.AVERAGE:
        return seen
    return sorted(seen, key=lambda d: (abs(places[d] - places[left]), d))[: {10: 3, 11: 4}[len(places)]]


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("n", [10, 11])
def test_losses_are_those_of_a_plain_loop(n, policy):
    draw = np.random.default_rng(1)
    values, places = draw.random((5, n)), draw.normal(size=n).tolist()
    lost = []
    for left in range(n):
        means = values[:, seen_by(places, policy, left)].mean(axis=1)
        lost.append(values[:, left].max() - values[means.argmax(), left])
    assert known(values, places).losses(policy) == pytest.approx(lost)


def test_difficulty_loses_less_where_one_method_is_better_on_easy_datasets_and_the_other_on_hard_ones():
    crossing = known([[0.9] * 6 + [0.1] * 5, [0.2] * 6 + [0.8] * 5], range(11))
    assert crossing.losses(Policy.NEAREST).mean() < crossing.losses(Policy.AVERAGE).mean()
    alike = known([[0.9] * 8, [0.2] * 8], range(8))
    assert alike.losses(Policy.NEAREST).tolist() == alike.losses(Policy.AVERAGE).tolist() == [0.0] * 8


def test_datasets_of_unknown_difficulty_are_judged_only_where_too_few_are_known():
    assert known(np.ones((2, 7)), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, None]).judged == [0, 1, 2, 3, 4, 5]
    assert known(np.ones((2, 7)), [1.0, 2.0, 3.0, 4.0, 5.0, None, None]).judged == list(range(7))


def test_the_standard_error_allows_for_shared_datasets():
    assert standard_error(np.array([0.0, 0.0, 0.0, 0.4])) == pytest.approx(0.2 * math.sqrt(1 / 4 + 1 / 3))


def test_a_dataset_that_zero_shot_never_gets_right_is_the_hardest():
    places = positions([0.1, None, 2.0, None], [0.5, 0.0, 0.1, None])
    assert places == [math.log(0.1), math.log(20.0), math.log(2.0), None]
