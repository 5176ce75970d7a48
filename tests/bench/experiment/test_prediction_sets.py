"""Prediction sets of runs: when they are scored, what is stored, and what it costs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sweep_requests import sweep_over
from tiny_runs import BACKBONE, DATASET, forget_loaded, outcome

from bench.context import RunContext
from bench.experiment import runner
from bench.experiment.features.inputs import shared_inputs
from bench.experiment.kept_models import restored_method
from bench.experiment.model_file import SET_SCORES, read_model, write_model
from bench.experiment.prediction_sets import why_no_promise
from bench.experiment.task import load_task
from bench.record import SETS, Predictions, RunRecord
from bench.results.predictions import pack_predictions, unpack_predictions
from bench.results.recomputed_scores import contradiction
from bench.results.shards import Shard
from bench.results.verification import RepetitionOutcome, judge_repetition
from bench.spec import ExperimentSpec
from bench.sweep import expand
from bench.sweep.inputs import repetition_context
from datasets_registry import EvalProtocol
from methods import METHODS, get_method

ASKED = RunContext(prediction_sets=0.9)


def spec_of(method: str, protocol: EvalProtocol = EvalProtocol.FEW_SHOT, **options: object) -> ExperimentSpec:
    options.setdefault("overrides", [] if method in ("zero_shot", "gda") else [f"{method}.recipe.epochs=1"])
    request = sweep_over([method], [DATASET], [BACKBONE], protocol=protocol, shots=(2,), seeds=(1,), **options)
    (spec,) = expand(request).specs
    return spec


def sets_of(spec: ExperimentSpec, context: RunContext = ASKED) -> dict[str, float | None]:
    """The promise of the sets of each split of a run; None without sets."""
    record, predictions = runner.run_experiment(spec, context)
    assert contradiction(record, predictions) == ""
    sized = {item.split for item in predictions if item.set_size is not None}
    found = {score.split: score.set_promise for score in record.all_scores}
    assert sized == {split for split, promise in found.items() if promise is not None}
    return found


@pytest.fixture(scope="module")
def asked() -> tuple[RunRecord, list[Predictions]]:
    forget_loaded()  # so that the class texts are encoded in this run
    return runner.run_experiment(spec_of("vpt"), ASKED)


def test_size_and_coverage_are_those_of_split_conformal_prediction(
    asked: tuple[RunRecord, list[Predictions]], tmp_path: Path
) -> None:
    """Computed again from all logits of the stored model, in a plain way."""
    record, (item,) = asked
    content = runner.run_and_keep(spec_of("vpt"), ASKED)[2]
    write_model(tmp_path / "m.safetensors", content)
    info, tensors = read_model(tmp_path / "m.safetensors")
    inputs, task = shared_inputs(BACKBONE, RunContext()), load_task(record.spec, RunContext())
    method = restored_method(info, tensors, inputs.backbone)

    def losses(part: object) -> np.ndarray:
        with torch.no_grad():
            classify = method.classifier(task.support.classes)
            batches = inputs.evaluation_batches(part.images, part.samples, method.info.needs, 128)
            return -torch.cat([classify(batch) for batch in batches]).double().log_softmax(dim=1).numpy()

    validation, test = losses(task.validation), losses(task.evals[0])
    labels = np.array(task.validation.labels)
    own = np.sort(validation[np.arange(len(labels)), labels])
    limit = own[int(np.ceil(49 * 0.9)) - 1]
    truth = np.array([sample.label for sample in task.evals[0].samples])
    (score,) = record.scores
    assert (score.set_promise, score.set_images) == (0.9, len(own)) == (0.9, 48)
    assert score.set_threshold == pytest.approx(limit, abs=1e-5)
    assert score.set_size == pytest.approx((test <= limit).sum(axis=1).mean(), abs=0.02)
    assert score.set_coverage == pytest.approx((test[np.arange(len(truth)), truth] <= limit).mean(), abs=0.02)
    assert tensors[SET_SCORES].numpy() == pytest.approx(own, abs=1e-5)
    assert score.set_size == item.set_size.mean()


def test_sets_change_nothing_else(asked: tuple[RunRecord, list[Predictions]]) -> None:
    record, predictions = asked
    forget_loaded()
    plain, others = runner.run_experiment(spec_of("vpt"), RunContext())
    assert record.run_id == plain.run_id
    assert outcome((plain, others)) == outcome(
        (record.model_copy(update={"scores": [score.without_sets for score in record.scores]}), predictions)
    )
    assert SETS[0] not in plain.model_dump()["scores"][0]
    counted = ("prompted_image_passes", "text_passes", "candidate_evaluations", "fits", "steps")
    counted += ("image_passes", "shared_image_passes", "shared_text_passes")
    assert [getattr(record.cost, name) for name in counted] == [getattr(plain.cost, name) for name in counted]
    dropped = [replace(item, set_size=None) for item in predictions]
    assert pack_predictions(dropped) == pack_predictions(others)


def test_they_are_scored_only_where_nothing_was_selected_on_the_validation_images() -> None:
    assert sets_of(spec_of("zs_lp")) == {"all": 0.9}
    assert sets_of(spec_of("gda", overrides=["gda.selection=fixed"])) == {"all": 0.9}
    for spec in (
        spec_of("gda"),  # by default it selects on them
        spec_of("gda", selection="hoso"),
        spec_of("gda", selection="oracle"),
        spec_of("vpt", selection="validation"),
        spec_of("zero_shot"),  # without shots there are no validation images
    ):
        assert set(sets_of(spec).values()) == {None}


def test_only_the_classes_of_the_validation_images_have_sets() -> None:
    assert sets_of(spec_of("zs_lp"), RunContext(prediction_sets=0.95)) == {"all": 0.95}
    found = sets_of(spec_of("vpt", EvalProtocol.BASE_TO_NEW))
    assert found == {"base": 0.9, "new": None, "open-base": None, "open-new": None}
    assert sets_of(spec_of("vpt", EvalProtocol.BASE_TO_NEW), RunContext(prediction_sets=0.99))["base"] is None, (
        "24 < 99"
    )


def test_a_method_that_learns_from_test_images_promises_nothing() -> None:
    stream = next(cls.info for name in METHODS if (cls := get_method(name)).info.reads_test_stream)
    task = load_task(spec_of("vpt"), RunContext())
    spec = spec_of("vpt").model_copy(update={"method": stream.name, "epoch_selection": None})
    assert why_no_promise(spec, stream, task.validation).endswith("images that it predicts")


def test_a_repetition_agrees_with_and_without_them(asked: tuple[RunRecord, list[Predictions]]) -> None:
    record, predictions = asked
    stored = Shard(record, unpack_predictions(pack_predictions(predictions)))
    context = repetition_context(stored, data_root=None, weights={}, files={})
    assert context.prediction_sets == 0.9
    again = runner.run_experiment(record.spec, context)
    assert judge_repetition(stored, *again).outcome is RepetitionOutcome.IDENTICAL
    plain = runner.run_experiment(record.spec, RunContext())
    assert judge_repetition(stored, *plain).outcome is RepetitionOutcome.IDENTICAL
    assert judge_repetition(Shard(plain[0], tuple(plain[1])), *again).outcome is RepetitionOutcome.IDENTICAL
    (item,) = predictions
    other = replace(item, set_size=item.set_size + (np.arange(len(item.set_size)) == 0))
    assert judge_repetition(stored, record, [other]).outcome is not RepetitionOutcome.IDENTICAL
