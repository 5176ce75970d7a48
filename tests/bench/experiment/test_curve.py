"""Accuracy along a training: it changes nothing, and each point is what a shorter training says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from bench.experiment.epoch_observers import TrainingCurve, curve_epochs
from fake_runner import make_record, make_spec
from families_of_methods import WITHOUT_TEACHER, one_of_each_family
from short_settings import short_overrides, short_recipe_overrides
from sweep_requests import changed, sweep_over
from tiny_runs import constant_rate_spec

from bench.context import RunContext
from bench.experiment import runner
from bench.experiment.features.inputs import load_inputs
from bench.record import CurvePoint
from bench.results.database import Store
from bench.results.recomputed_scores import contradiction
from bench.results.shards import Shards
from bench.spec import ExperimentSpec
from bench.sweep import RecipeChoice, expand
from datasets_registry import EvalProtocol
from methods import METHODS, TrainableMethod, get_method

RATES = {"coop": 1.0, "clip_adapter": 2.0, "vpt": 0.5, "promptsrc": 0.05}
EPOCHS = 5


def spec_of(method: str, epochs: int = EPOCHS, selection: str | None = None) -> ExperimentSpec:
    return constant_rate_spec(method, EvalProtocol.BASE_TO_NEW, selection, epochs=epochs, lr=RATES[method])


@pytest.mark.parametrize(
    ("first", "epochs", "shown"),
    [(0, 1, (1,)), (0, 2, (1, 2)), (0, 5, (1, 2, 4, 5)), (0, 8, (1, 2, 4, 8)), (3, 6, (4, 5, 7, 9))],
)
def test_epochs_double_and_the_last_is_among_them(first: int, epochs: int, shown: tuple[int, ...]):
    assert curve_epochs(first, epochs) == shown


@pytest.mark.parametrize("method", RATES)
def test_a_curve_changes_no_bit_and_no_pass_and_ends_in_the_score(method: str):
    load_inputs.cache_clear()
    plain, plain_predictions = runner.run_experiment(spec_of(method), RunContext())
    load_inputs.cache_clear()  # frozen features and texts are paid for again
    with_curve, predictions = runner.run_experiment(spec_of(method), RunContext(curve=True))
    assert with_curve.scores == plain.scores
    for ours, theirs in zip(predictions, plain_predictions, strict=True):
        assert np.array_equal(ours.true_logit, theirs.true_logit)
        assert np.array_equal(ours.top_logits, theirs.top_logits)
    counted = ("steps", "prompted_image_passes", "text_passes", "fits", "candidate_evaluations", "shared_text_passes")
    assert [getattr(with_curve.cost, name) for name in counted] == [getattr(plain.cost, name) for name in counted]
    assert plain.curve == []
    assert [point.epoch for point in with_curve.curve] == [1, 2, 4, 5]
    assert with_curve.curve[-1].accuracy == {score.split: score.accuracy for score in with_curve.scores}
    seconds = [point.seconds for point in with_curve.curve]
    assert seconds == sorted(seconds)
    assert seconds[0] > 0


@pytest.mark.parametrize("method", ["coop", "clip_adapter"])
def test_each_point_is_what_a_shorter_training_scores(method: str):
    record, _ = runner.run_experiment(spec_of(method), RunContext(curve=True))
    shorter = [runner.run_experiment(spec_of(method, point.epoch), RunContext())[0] for point in record.curve]
    assert [point.accuracy for point in record.curve] == [
        {score.split: score.accuracy for score in other.scores} for other in shorter
    ]
    assert [point.steps for point in record.curve] == [other.cost.steps for other in shorter if other.cost]
    assert len({tuple(point.accuracy.values()) for point in record.curve}) > 1, "a flat curve proves nothing"


TRAINED = [name for name in WITHOUT_TEACHER if issubclass(METHODS.get(name), TrainableMethod)]


@pytest.mark.parametrize("method", one_of_each_family([*TRAINED, "apex_on:coop", "dept_on:coop", "wise_ft_on:prolip"]))
def test_every_trained_method_ends_its_curve_in_its_score(method: str):
    """Unless something was chosen afterwards; `import` refuses a record that breaks this."""
    protocol = EvalProtocol.BASE_TO_NEW
    if EvalProtocol.BASE_TO_NEW not in get_method(method).info.recipes:
        protocol = EvalProtocol.FEW_SHOT
    axes = sweep_over([method], ["spectrum_basic"], ["ViT-tiny.random"], protocol=protocol, shots=(2,), seeds=(1,))
    short = [*short_overrides(method), *short_recipe_overrides(method)]
    (spec,) = expand(changed(axes, recipe=RecipeChoice.DEMO, overrides=short)).specs
    record, predictions = runner.run_experiment(spec, RunContext(curve=True))
    assert record.curve
    assert contradiction(record, predictions) == ""
    if record.cost.candidate_evaluations == 0:
        assert record.curve[-1].accuracy == {score.split: score.accuracy for score in record.scores}


def test_an_edited_curve_is_refused_where_it_can_be_seen():
    record, predictions = runner.run_experiment(spec_of("coop"), RunContext(curve=True))
    last = record.curve[-1]
    better = last.model_copy(update={"accuracy": dict.fromkeys(last.accuracy, 1.0)})
    other = last.model_copy(update={"accuracy": {"all": 0.5}})
    for curve, reason in (
        ([*record.curve[:-1], better], "does not end at its scores"),
        ([*record.curve[:-1], other], "different splits"),
        (record.curve[:-1], "do not increase to the last epoch"),
        ([*record.curve, last], "do not increase to the last epoch"),
    ):
        assert reason in contradiction(record.model_copy(update={"curve": curve}), predictions)


@pytest.mark.parametrize("selection", ["validation", "oracle"])
def test_a_curve_beside_a_choice_of_the_epoch_disturbs_neither(selection: str):
    spec = spec_of("clip_adapter", selection=selection)
    chosen, _ = runner.run_experiment(spec, RunContext())
    both, _ = runner.run_experiment(spec, RunContext(curve=True))
    assert both.scores == chosen.scores
    assert both.selected_epoch == chosen.selected_epoch
    assert both.cost.candidate_evaluations == chosen.cost.candidate_evaluations
    last, _ = runner.run_experiment(spec_of("clip_adapter"), RunContext(curve=True))
    assert [point.accuracy for point in both.curve] == [point.accuracy for point in last.curve]


def test_methods_without_training_have_no_curve():
    (spec,) = expand(sweep_over(["zero_shot"], ["spectrum_basic"], ["ViT-tiny.random"])).specs
    assert runner.run_experiment(spec, RunContext(curve=True))[0].curve == []


def test_a_training_that_was_cut_off_keeps_its_curve(tmp_path: Path, cut_off):
    spec = spec_of("vpt")
    context = RunContext(checkpoints=tmp_path, checkpoint_seconds=0.0, curve=True)
    cut_off(spec, context, 3)
    resumed, _ = runner.run_experiment(spec, context)
    whole, _ = runner.run_experiment(spec, RunContext(curve=True))
    assert [(p.epoch, p.steps, p.accuracy) for p in resumed.curve] == [
        (p.epoch, p.steps, p.accuracy) for p in whole.curve
    ]


def test_a_state_kept_without_a_curve_is_not_used_for_one(tmp_path: Path):
    spec = spec_of("coop")
    context = RunContext(checkpoints=tmp_path, checkpoint_seconds=0.0)
    runner.run_experiment(spec, context)
    assert list(tmp_path.iterdir()), "a checkpoint was written"
    record, _ = runner.run_experiment(spec, context.model_copy(update={"curve": True}))
    assert [point.epoch for point in record.curve] == [1, 2, 4, 5]


class TestSeconds:
    """Of all parts of a training together, on a clock of our own."""

    class Method:
        def __init__(self) -> None:
            self.trainable = torch.nn.Linear(1, 1)

    def test_parts_are_added_up(self):
        now = [100.0]
        first = TrainingCurve(self.Method(), clock=lambda: now[0])  # type: ignore[arg-type]
        first.plan(0, 4)
        now[0] += 2
        first.end_of_epoch(1, 10)
        now[0] += 1
        kept = first.dump()
        now[0] = 5.0  # another process, another clock
        second = TrainingCurve(self.Method(), clock=lambda: now[0])  # type: ignore[arg-type]
        second.plan(0, 4)
        second.load(kept)
        now[0] += 4
        second.end_of_epoch(2, 20)
        second.end_of_epoch(3, 30)  # not shown
        assert [(m.epoch, m.steps, m.seconds) for m in second.taken] == [(1, 10, 2.0), (2, 20, 7.0)]


def test_curves_are_loaded_replaced_and_forgotten(tmp_path: Path):
    shards, store = Shards(tmp_path), Store(tmp_path)
    spec = make_spec()
    points = [
        CurvePoint(epoch=e, epochs=2, steps=10 * e, seconds=0.5 * e, accuracy={"base": 0.25 * e, "new": 0.5})
        for e in (1, 2)
    ]
    shards.write(make_record(spec, curve=points))
    store.ingest(shards)
    frame = store.curves_frame()
    assert frame[["split", "epoch", "steps", "accuracy"]].values.tolist() == [
        ["base", 1, 10, 0.25],
        ["base", 2, 20, 0.5],
        ["new", 1, 10, 0.5],
        ["new", 2, 20, 0.5],
    ]
    assert set(frame["run_id"]) == {spec.run_id}
    assert set(frame["epochs"]) == {2}
    shards.write(make_record(spec, curve=points[:1]))
    store.ingest(shards)
    assert len(store.curves_frame()) == 2
    shards.write(make_record(spec))
    store.ingest(shards)
    assert store.curves_frame().empty
