"""The rule that gives the advice, against a plain loop over the datasets."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.analysis.method_choice import Rule, choose_rule, positions, third


def plain_regret(values, places, rule):
    """Leave each dataset out, choose by the others, and count the points lost."""
    lost = []
    for left in range(len(places)):
        seen = [d for d in range(len(places)) if d != left]
        if rule is Rule.ALIKE:
            seen = sorted(seen, key=lambda d: (abs(places[d] - places[left]), d))[: {10: 3, 11: 4}[len(places)]]
        means = [np.mean([row[d] for d in seen]) for row in values]
        lost.append(max(row[left] for row in values) - values[int(np.argmax(means))][left])
    return np.mean(lost), max(lost)


@pytest.mark.parametrize("n", [10, 11])
def test_regret_is_that_of_a_plain_loop(n):
    draw = np.random.default_rng(1)
    values, places = draw.random((5, n)).tolist(), draw.normal(size=n).tolist()
    found = choose_rule(values, places)
    for rule in Rule:
        mean, worst = plain_regret(values, places, rule)
        assert (found.regrets[rule].mean, found.regrets[rule].worst) == (pytest.approx(mean), pytest.approx(worst))
    assert found.rule is min(Rule, key=lambda rule: found.regrets[rule].mean)


def test_a_third_is_rounded_and_never_empty():
    assert [third(n) for n in (1, 2, 4, 5, 6, 10, 11, 12)] == [1, 1, 1, 2, 2, 3, 4, 4]


def test_difficulty_is_preferred_where_it_helps():
    """One method is better on easy datasets, the other on hard ones."""
    values = [[0.9] * 6 + [0.1] * 5, [0.2] * 6 + [0.8] * 5]
    found = choose_rule(values, [float(place) for place in range(11)])
    assert found.rule is Rule.ALIKE
    assert found.regrets[Rule.ALIKE].mean < found.regrets[Rule.AVERAGE].mean


def test_equal_regret_means_the_best_on_average():
    found = choose_rule([[0.9] * 8, [0.2] * 8], [float(place) for place in range(8)])
    assert (found.rule, found.regrets[Rule.ALIKE].mean) == (Rule.AVERAGE, 0.0)


def test_few_known_difficulties_leave_the_best_on_average():
    found = choose_rule([[0.9] * 8, [0.2] * 8], [1.0, 2.0, 3.0, 4.0, 5.0, None, None, None])
    assert set(found.regrets) == {Rule.AVERAGE}
    assert choose_rule([[0.9], [0.2]], [1.0]).regrets == {}


def test_a_dataset_that_zero_shot_never_gets_right_is_the_hardest():
    places = positions([0.1, None, 2.0, None], [0.5, 0.0, 0.1, None])
    assert places == [math.log(0.1), math.log(20.0), math.log(2.0), None]
