"""Other ensemble weights from a finished run equal the run that was made with them."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from sweep_requests import sweep_over

from bench.context import RunContext
from bench.experiment import runner
from bench.record import Predictions, RunRecord
from bench.results.ensemble_weights import (
    adaptive_weight,
    blended_accuracy,
    blended_logits,
    constant_weight_outcomes,
    fixed_weight,
)
from bench.results.predictions import pack_predictions, unpack_predictions
from bench.results.shards import Shards
from bench.sweep import expand


@cache
def answer(**settings: object) -> tuple[RunRecord, list[Predictions]]:
    overrides = ["apex.recipe.epochs=2", *(f"apex.{key}={value}" for key, value in settings.items())]
    axes = sweep_over(["apex"], ["spectrum_basic"], ["ViT-tiny.random"], shots=(2,), seeds=(1,), overrides=overrides)
    (spec,) = expand(axes).specs
    return runner.run_experiment(spec, RunContext(keep_branches=settings == {}))


def new(answered: tuple[RunRecord, list[Predictions]]) -> Predictions:
    return next(item for item in answered[1] if item.split == "new")


def top(logits: np.ndarray) -> np.ndarray:
    return -np.sort(-logits, axis=1)[:, :5]


def test_keeping_both_sides_changes_no_bit_of_scores_and_predictions() -> None:
    kept, plain = answer(), runner.run_experiment(answer()[0].spec, RunContext())
    assert kept[0].scores == plain[0].scores
    for a, b in zip(kept[1][:2], plain[1][:2], strict=True):
        assert a.top_logits.tobytes() == b.top_logits.tobytes()
        assert a.branches is not None
        assert b.branches is None


@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_another_beta_equals_the_run_made_with_it(beta: float) -> None:
    kept, made = new(answer()), new(answer(beta=beta))
    assert kept.branches is not None
    logits = blended_logits(kept.branches, adaptive_weight(kept.branches, beta=beta))
    np.testing.assert_allclose(top(logits), made.top_logits, atol=2e-4)


@pytest.mark.parametrize("weight", [0.0, 0.4, 1.0])
def test_a_fixed_weight_equals_the_run_made_with_it(weight: float) -> None:
    kept, made = new(answer()), new(answer(ensemble_weight="fixed", fixed_weight=weight))
    assert kept.branches is not None
    logits = blended_logits(kept.branches, fixed_weight(kept.branches, weight))
    np.testing.assert_allclose(top(logits), made.top_logits, atol=2e-4)


@pytest.mark.parametrize("sides", ["none", "text", "visual"])
def test_blending_one_side_equals_the_run_made_with_it(sides: str) -> None:
    kept, made = new(answer()), new(answer(ensemble=sides))
    assert kept.branches is not None
    logits = blended_logits(kept.branches, adaptive_weight(kept.branches), sides=sides)
    np.testing.assert_allclose(top(logits), made.top_logits, atol=2e-4)


def test_the_run_s_own_weight_gives_its_own_accuracy() -> None:
    record, predictions = answer()
    for item in predictions[:2]:
        assert item.branches is not None
        own = blended_accuracy(item, adaptive_weight(item.branches))
        score = record.score(item.split)
        assert score is not None
        assert own == pytest.approx(score.accuracy, abs=1.5 / score.n)


def test_both_sides_survive_the_disk(tmp_path) -> None:
    record, predictions = answer()
    Shards(tmp_path).write(record, predictions)
    shard = Shards(tmp_path).read(record.run_id)
    assert shard is not None
    before, after = new((record, predictions)).branches, new((record, list(shard.predictions))).branches
    assert before is not None
    assert after is not None
    for name, column in vars(before).items():
        np.testing.assert_array_equal(column, getattr(after, name))


def test_predictions_without_them_stay_as_they_were() -> None:
    plain = runner.run_experiment(answer()[0].spec, RunContext())[1]
    assert all(item.branches is None for item in unpack_predictions(pack_predictions(plain)))
    with pytest.raises(ValueError, match="it with --keep-branches"):
        blended_accuracy(plain[0], np.ones(3))


def test_an_unknown_side_is_refused() -> None:
    branches = new(answer()).branches
    assert branches is not None
    with pytest.raises(ValueError, match="Side 'left' is unknown"):
        blended_logits(branches, adaptive_weight(branches), sides="left")


def test_the_mean_weight_equals_the_run_made_with_it(tmp_path) -> None:
    record, predictions = answer()
    shards = Shards(tmp_path)
    shards.write(record, predictions)
    kept = new((record, predictions))
    assert kept.branches is not None
    weights = adaptive_weight(kept.branches)
    assert weights.std() > 0
    made = new(answer(ensemble_weight="fixed", fixed_weight=float(weights.mean())))
    order = np.argsort(np.array(made.images))
    found = constant_weight_outcomes(shards, record.run_id)
    np.testing.assert_array_equal(found["new"], (made.predicted == made.label)[order])
    fixed, of_fixed = answer(ensemble_weight="fixed", fixed_weight=0.4)
    shards.write(fixed, of_fixed)
    assert constant_weight_outcomes(shards, fixed.run_id) == {}
