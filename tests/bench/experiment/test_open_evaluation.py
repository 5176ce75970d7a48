"""The open score of whole runs: by hand from full logits, and without any effect on what else is recorded."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_runs import forget_loaded, spec_of

from bench.analysis.metrics.scores import calibration_error
from bench.context import RunContext
from bench.experiment.runner import run_experiment
from bench.record import Predictions, RunRecord
from bench.results.recomputed_scores import contradiction
from datasets_registry import EvalProtocol


def opened(record: RunRecord) -> tuple[float, float]:
    assert record.open is not None
    return record.open.base.accuracy, record.open.new.accuracy


def by_split(predictions: list[Predictions]) -> dict[str, Predictions]:
    return {item.split: item for item in predictions}


@pytest.mark.parametrize("method", ["zero_shot", "coop"])
def test_it_equals_a_computation_from_the_logits_of_both_splits(method: str) -> None:
    """A class's logits of these methods do not depend on the other names, so both halves give those of all names."""
    forget_loaded()
    record, predictions = run_experiment(spec_of(method), RunContext())
    found, score = by_split(predictions), record.open
    assert score is not None
    n_base = record.scores[0].n_classes
    for plain, split in (("base", "open-base"), ("new", "open-new")):
        own, among_all = found[plain], found[split]
        assert own.images == among_all.images
        offset = 0 if plain == "base" else n_base
        np.testing.assert_array_equal(among_all.label, own.label + offset)
        np.testing.assert_allclose(among_all.true_logit, own.true_logit, rtol=1e-4, atol=1e-4)
        assert among_all.log_sum_exp.min() > own.log_sum_exp.min()
    right = [item.predicted == item.label for item in (found["open-base"], found["open-new"])]
    assert opened(record) == (right[0].mean(), right[1].mean())
    assert score.base.accuracy <= record.scores[0].accuracy
    assert score.new.accuracy <= record.scores[1].accuracy
    item = found["open-new"]
    sure = np.exp(item.top_logits[:, 0].astype(float) - item.log_sum_exp)
    assert score.new.ece == pytest.approx(calibration_error(sure, right[1]), abs=1e-5)


@pytest.mark.parametrize("method", ["apex", "mmrl", "dept", "cocoop", "vpt"])
def test_methods_that_treat_new_classes_differently_have_an_open_score(method: str) -> None:
    record, predictions = run_experiment(spec_of(method), RunContext())
    assert record.open is not None
    assert record.open.base.n_classes == sum(score.n_classes for score in record.scores)
    assert contradiction(record, predictions) == ""


def test_an_oracle_makes_one_choice_for_all_images() -> None:
    record, _ = run_experiment(spec_of("apex", ensemble_weight="oracle"), RunContext())
    assert record.open is not None
    assert record.open.base.selected_on_test == record.open.new.selected_on_test is not None
    assert record.open.base.optimism is not None


def test_other_protocols_have_none() -> None:
    record, predictions = run_experiment(spec_of("coop", protocol=EvalProtocol.FEW_SHOT), RunContext())
    assert record.open is None
    assert "open" not in record.model_dump()
    assert [item.split for item in predictions] == ["all"]
