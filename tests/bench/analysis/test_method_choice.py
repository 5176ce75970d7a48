"""The rules that give the advice, against plain loops over the datasets."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.analysis.best_method import RULES
from bench.analysis.method_choice import (
    Known,
    Policy,
    judge_policies,
    left_out_values,
    nearest,
    positions,
    standard_error,
    third,
    windows,
)


def known(values, places) -> Known:
    methods, datasets = (tuple(map(str, range(size))) for size in np.shape(values))
    difficulty = tuple(None if place is None else math.exp(place) for place in places)
    return Known(methods, datasets, np.asarray(values, dtype=float), difficulty, (0.5,) * len(datasets))


def seen_by(places, policy, left, place):
    seen = [d for d in range(len(places)) if d != left]
    if policy is Policy.AVERAGE:
        return seen
    return sorted(seen, key=lambda d: (abs(places[d] - place), d))[: {10: 3, 11: 4}[len(places)]]


@pytest.mark.parametrize("n", [10, 11])
def test_regret_is_that_of_a_plain_loop(n):
    draw = np.random.default_rng(1)
    values, places = draw.random((5, n)), draw.normal(size=n).tolist()
    found = judge_policies(known(values, places), RULES)
    lost = {rule: [] for rule in RULES}
    for rule in RULES:
        for left in range(n):
            means = values[:, seen_by(places, rule, left, places[left])].mean(axis=1)
            lost[rule].append(values[:, left].max() - values[means.argmax(), left])
        assert found.regrets[rule].mean == pytest.approx(np.mean(lost[rule]))
        assert found.regrets[rule].worst == pytest.approx(max(lost[rule]))
    assert set(found.regrets) == set(RULES)


@pytest.mark.parametrize("policy", RULES)
def test_the_gain_of_a_group_is_that_of_choices_without_the_dataset(policy):
    draw = np.random.default_rng(2)
    values, places = draw.normal(size=(6, 11)), draw.normal(size=11).tolist()
    group, place = [1, 4, 7], 0.3
    plain = [values[values[:, seen_by(places, policy, left, place)].mean(axis=1).argmax(), left] for left in group]
    assert left_out_values(known(values, places), policy, place, group) == pytest.approx(plain)


def test_a_third_is_rounded_and_never_empty():
    assert [third(n) for n in (1, 2, 4, 5, 6, 10, 11, 12)] == [1, 1, 1, 2, 2, 3, 4, 4]


def test_windows_are_the_closest_thirds_of_every_place():
    draw = np.random.default_rng(3)
    along = np.append(draw.normal(size=12), np.nan)
    bounds, sets = windows(along)
    assert len(sets) == len(bounds) + 1 == 9
    for place in draw.uniform(-4, 4, 200):
        assert set(sets[int(np.searchsorted(bounds, place))]) == set(nearest(along, place, range(13)))


def test_difficulty_decides_where_it_helps():
    """One method is better on easy datasets, the other on hard ones."""
    values = [[0.9] * 6 + [0.1] * 5, [0.2] * 6 + [0.8] * 5]
    found = judge_policies(known(values, range(11)), RULES)
    assert found.policy is Policy.NEAREST
    assert found.regrets[Policy.NEAREST].mean < found.regrets[Policy.AVERAGE].mean


def test_a_smaller_loss_within_one_standard_error_does_not_decide():
    """The only difference is one dataset, on which difficulty chooses better: it may be chance."""
    values = np.full((2, 9), 0.5)
    values[0, :8], values[1, 8] = 0.6, 0.9
    values[1, 6:8] = 0.65
    found = judge_policies(known(values, range(9)), RULES)
    assert found.regrets[Policy.NEAREST].mean < found.regrets[Policy.AVERAGE].mean
    assert found.policy is Policy.AVERAGE
    assert standard_error(np.array([0.0, 0.0, 0.0, 0.4])) == pytest.approx(0.2 * math.sqrt(1 / 4 + 1 / 3))


def test_equal_regret_means_the_best_on_average():
    found = judge_policies(known([[0.9] * 8, [0.2] * 8], range(8)), RULES)
    assert (found.policy, found.regrets[Policy.NEAREST].mean) == (Policy.AVERAGE, 0.0)


def test_few_known_difficulties_leave_the_best_on_average():
    few = known([[0.9] * 8, [0.2] * 8], [1.0, 2.0, 3.0, 4.0, 5.0, None, None, None])
    assert set(judge_policies(few, RULES).regrets) == {Policy.AVERAGE}
    assert judge_policies(known([[0.9], [0.2]], [1.0]), RULES).regrets == {}


def test_a_dataset_that_zero_shot_never_gets_right_is_the_hardest():
    places = positions([0.1, None, 2.0, None], [0.5, 0.0, 0.1, None])
    assert places == [math.log(0.1), math.log(20.0), math.log(2.0), None]
