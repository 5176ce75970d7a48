"""Policies that choose before any training: their regret against plain loops, and when difficulty earns its place."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, Ridge

from bench.analysis.method_choice import PENALTY, Known, Policy, choose_for, chosen, judge_policies, predicted_gains


def known(values, places) -> Known:
    n = values.shape[1]
    methods = tuple(f"m{i}" for i in range(len(values)))
    return Known(
        methods, tuple(f"d{i}" for i in range(n)), values, tuple(np.exp(places)), tuple(np.linspace(0.9, 0.3, n))
    )


@pytest.fixture
def table() -> Known:
    draw = np.random.default_rng(1)
    return known(draw.random((5, 11)), draw.normal(size=11))


def test_a_random_method_loses_its_mean_distance_from_the_best(table: Known) -> None:
    found = judge_policies(table).regrets[Policy.RANDOM]
    assert found.mean == pytest.approx(np.mean(table.values.max(0) - table.values.mean(0)))


def test_ridge_is_that_of_scikit_learn(table: Known) -> None:
    errors, left = 1 - np.array(table.zero_shot), 4
    seen = [i for i in range(11) if i != left]
    x = ((errors - errors[seen].mean()) / errors[seen].std())[:, None]
    lead = table.values - table.values.mean(0)
    predicted = [Ridge(alpha=PENALTY).fit(x[seen], row[seen]).predict(x[[left]])[0] for row in lead]
    assert chosen(table, Policy.RIDGE_ERROR, left) == int(np.argmax(predicted))


def test_difficulty_is_used_where_it_loses_clearly_less() -> None:
    values = np.array([[0.9] * 6 + [0.1] * 5, [0.2] * 6 + [0.8] * 5])
    found = judge_policies(known(values, np.arange(11.0)))
    assert found.policy in (Policy.NEAREST, Policy.RIDGE_DIFFICULTY, Policy.RIDGE_ERROR)
    assert found.regrets[found.policy].mean < found.regrets[Policy.AVERAGE].mean
    harder = known(values, np.arange(11.0))
    assert choose_for(harder, Policy.NEAREST, float(np.exp(12.0)), 0.2) == "m1"
    assert choose_for(harder, Policy.NEAREST, None, None) == choose_for(harder, Policy.AVERAGE, None, None)


def test_without_difficulties_only_two_policies_and_chance_are_judged() -> None:
    values = np.random.default_rng(0).random((3, 5))
    few = Known(("a", "b", "c"), tuple("vwxyz"), values, (None,) * 5, (None,) * 5)
    assert set(judge_policies(few).regrets) == {Policy.AVERAGE, Policy.RANK, Policy.RANDOM}
    assert judge_policies(Known(("a",), ("v",), values[:1, :1], (None,), (None,))).regrets == {}


def test_predictions_of_gains_are_those_of_plain_loops(table: Known) -> None:
    along, errors, lost = np.log(np.array(table.difficulty)), ([], []), ([], [])
    for left in range(11):
        seen = [i for i in range(11) if i != left]
        by_mean = [np.mean([row[i] for i in seen]) for row in table.values]
        by_line = [
            LinearRegression().fit(along[seen, None], row[seen]).predict([[along[left]]])[0] for row in table.values
        ]
        for found, (of_error, of_lost) in zip((by_mean, by_line), zip(errors, lost, strict=True), strict=True):
            of_error.append(np.mean(abs(table.values[:, left] - found)))
            of_lost.append(table.values[:, left].max() - table.values[int(np.argmax(found)), left])
    found = predicted_gains(table)
    assert found is not None
    assert found.errors == pytest.approx([np.mean(one) for one in errors])
    assert found.regrets == pytest.approx([np.mean(one) for one in lost])


def test_gains_along_difficulty_are_predicted_by_it() -> None:
    along = np.arange(11.0)
    values = np.array([0.05 * along, 0.3 - 0.01 * along])
    found = predicted_gains(known(values, along))
    assert found is not None
    assert found.errors[1] == pytest.approx(0, abs=1e-9)
    assert found.errors[0] > 0.05
    assert found.helps


def test_without_known_difficulty_no_gain_is_predicted() -> None:
    unknown = Known(("a",), tuple("uvwxyz"), np.ones((1, 6)), (None,) * 6, (None,) * 6)
    assert predicted_gains(unknown) is None
