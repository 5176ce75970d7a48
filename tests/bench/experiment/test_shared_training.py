"""Runs that differ in settings after the training share one, and each has the record of a training of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from families_of_methods import some_fast
from short_settings import SHORT
from tiny_runs import spec_of, without_times

from bench.context import RunContext
from bench.experiment import evaluation, runner
from bench.record import Predictions, RunRecord
from bench.results import training_of
from bench.results.predictions import pack_predictions
from bench.spec import ExperimentSpec
from methods import METHODS, get_method

Run = tuple[RunRecord, list[Predictions]]
VARIANTS: dict[str, list[dict[str, object]]] = {
    "apex": [
        {},
        {"ensemble_weight": "fixed", "fixed_weight": 0.0},
        {"ensemble_weight": "fixed", "fixed_weight": 0.3},
        {"ensemble": "text", "beta": 1.0, "eps": 0.0, "nn_distance": "min", "vision_blend": "pretrained"},
    ],
    "apex_on": [{}, {"blend_beta": 1.0, "blend_eps": 0.0}],
    "cross_modal": [{"recipe.steps": 20}, {"recipe.steps": 20, "trained_share": 0.3}],
    "dmn": [{}, *({"selection": value} for value in ("fixed", "ensemble", "oracle"))],
    "dpc_on": [{"new_share": 0.3}, {}],
    "hicropl": [{}, {"test_maps": 3}],
    "ldc": [{}, {"mlp_share": 0.4}],
    "mmrl": [{}, {"fused": False}],
    "mmrl_pp": [{"fused": False}, {}],
    "promptsrc": [{}, {"average": False}],
    "tip_adapter_f": [{}, {"search_scale": "[3.0, 2.0]", "search_step": "[4, 3]"}],
    "wise_ft_on": [{}, {"trained_share": 1.0}, {"trained_share": 0.3}],
    "zs_lp": [{"trained_share": 0.5}, {}],
}
"""Variants of each method that share a training; some are compared whose first run computes fewer features."""


def specs_of(method: str, variants: list[dict[str, object]] | None = None) -> list[ExperimentSpec]:
    short: dict[str, object] = {key: list(v) if isinstance(v, tuple) else v for key, v in SHORT.get(method, {}).items()}
    protocol = get_method(method).info.usual_protocol
    return [spec_of(method, protocol=protocol, **(short | own)) for own in variants or VARIANTS[method]]


def shared(specs: list[ExperimentSpec], context: RunContext | None = None) -> list[Run]:
    """The runs, one after the other in one process that knows their training."""
    process, sharing = runner.ProcessRunner(), (context or RunContext()).model_copy(update={"shares_training": True})
    return [process.run_experiment(spec, sharing) for spec in specs]


def alone(specs: list[ExperimentSpec], context: RunContext | None = None) -> list[Run]:
    return [runner.run_experiment(spec, context or RunContext()) for spec in specs]


def test_every_declared_setting_is_varied() -> None:
    declared = {name: set(METHODS.get(name).info.after_training) for name in METHODS}
    varied = {name: set().union(*map(set, variants)) for name, variants in VARIANTS.items()}
    assert {name: keys for name, keys in declared.items() if keys} == {
        name: {key for key in keys if not key.startswith("recipe.")} for name, keys in varied.items()
    }


@pytest.mark.parametrize("method", some_fast(list(VARIANTS), {"apex", "zs_lp"}))
def test_each_run_has_the_record_and_predictions_of_a_training_of_its_own(method: str, steps: list[object]) -> None:
    specs = specs_of(method)
    found, once = shared(specs), len(steps)
    assert [without_times(run) for run in found] == [without_times(run) for run in alone(specs)]
    assert len(steps) == (1 + len(specs)) * once > 0
    assert len({str(pack_predictions(run[1])) for run in found}) > 1, "the settings have no effect"


@pytest.mark.parametrize("selection", ["validation", "oracle"])
def test_epoch_and_curve_are_those_of_a_training_of_its_own(selection: str, steps: list[object]) -> None:
    variants: list[dict[str, object]] = [{}, {"ensemble_weight": "fixed", "fixed_weight": 0.3}]
    specs = [spec.model_copy(update={"epoch_selection": selection}) for spec in specs_of("apex", variants)]
    found, once = shared(specs, RunContext(curve=True)), len(steps)
    assert [without_times(run) for run in found] == [without_times(run) for run in alone(specs, RunContext(curve=True))]
    assert len(steps) == 3 * once
    assert all(record.curve for record, _ in found)


def test_branches_and_kept_models_are_those_of_a_training_of_its_own() -> None:
    specs, process = specs_of("wise_ft_on"), runner.ProcessRunner()
    context = RunContext(keep_models="all", keep_branches=True)
    together = context.model_copy(update={"shares_training": True})
    for spec in specs:
        record, predictions, model = process.run_and_keep(spec, together)
        own = runner.run_and_keep(spec, context)
        assert without_times((record, predictions)) == without_times(own[:2])
        assert isinstance(model, bytes)
        assert isinstance(own[2], bytes)
        kept, expected = (safetensors.torch.load(content) for content in (model, own[2]))
        assert kept.keys() == expected.keys()
        assert all(torch.equal(kept[name], expected[name]) for name in kept)


@pytest.mark.slow
def test_an_oracle_is_charged_for_each_pass_over_the_images() -> None:
    specs = specs_of("apex", [{}, {"ensemble_weight": "oracle"}])
    assert [without_times(run) for run in shared(specs)] == [without_times(run) for run in alone(specs)]


def test_the_order_of_the_runs_changes_nothing() -> None:
    specs = specs_of("apex", [{"ensemble_weight": "fixed", "fixed_weight": 0.0}, {}])
    assert [without_times(run) for run in shared(specs[::-1])][::-1] == [without_times(run) for run in shared(specs)]


@pytest.mark.parametrize("largest", [0, evaluation.LARGEST])
def test_test_images_pass_a_tuned_tower_once_for_all_runs_if_they_are_kept(
    largest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "LARGEST", largest)
    towers: list[int] = []
    apex: Any = METHODS.get("apex")
    plain = apex.image_features
    monkeypatch.setattr(apex, "image_features", lambda self, batch: (towers.append(1), plain(self, batch))[1])
    specs = specs_of("apex", [{}, {"beta": 1.0}])
    shared(specs[:1])
    once = len(towers)
    shared(specs)
    assert (len(towers) > 2 * once) == (largest == 0)


def test_each_run_is_charged_for_the_whole_training() -> None:
    specs, process = specs_of("wise_ft_on"), runner.ProcessRunner()
    together = RunContext(shares_training=True)
    records = [process.run_experiment(spec, together)[0] for spec in specs]
    assert process._shared is not None
    assert process._shared.end.content is not None
    spent, peak = process._shared.end.content[0]["spent"][0], process._shared.end.memory[0]
    assert spent > 0
    for record in records:
        assert record.cost is not None
        assert record.cost.train_seconds >= spent
        assert record.cost.peak_memory_bytes >= peak


def test_a_cost_is_charged_again_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.experiment.features import shared_cost
    from methods import Passes

    now = iter(range(100))
    monkeypatch.setattr(shared_cost.time, "perf_counter", lambda: float(next(now)))
    passes = Passes()
    first, second = shared_cost.Account(passes), shared_cost.Account(passes)
    with first.open("eval"), shared_cost.recorded(passes) as spent:
        passes.prompted_image += 5
        shared_cost.charge("features", {b"0" * 16: 3e9}, images=1)
    start = shared_cost.own_clock()
    with second.open("eval"):
        spent.again(passes)
    assert shared_cost.own_clock() - start == spent.seconds + 1
    assert passes.prompted_image == 10
    assert (first.images, first.nanoseconds) == (second.images, second.nanoseconds)


def test_another_context_or_training_starts_over(steps: list[object]) -> None:
    first, other = specs_of("apex", [{}, {"n_text": 3}])
    assert training_of(first) != training_of(other)
    process, context = runner.ProcessRunner(), RunContext(shares_training=True)
    process.run_experiment(first, context)
    once = len(steps)
    process.run_experiment(first, context.model_copy(update={"eval_batch": 5}))
    assert len(steps) == once, "the size of test batches does not concern the training"
    process.run_experiment(other, context)
    assert len(steps) == 2 * once
    process.run_experiment(first, context.model_copy(update={"fast": True}))
    assert len(steps) == 3 * once
    process.run_experiment(first, RunContext())
    assert len(steps) == 4 * once
    assert process._shared is None


def test_smaller_test_batches_give_the_bits_of_a_training_of_its_own_with_them() -> None:
    specs = specs_of("apex", [{}, {"beta": 1.0}])
    process, context = runner.ProcessRunner(), RunContext(shares_training=True)
    process.run_experiment(specs[0], context)
    found = process.run_experiment(specs[1], context.model_copy(update={"eval_batch": 5}))
    assert without_times(found) == without_times(runner.run_experiment(specs[1], RunContext(eval_batch=5)))


def test_a_run_that_fails_after_its_training_leaves_it_to_the_others(
    steps: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    specs = specs_of("apex", [{}, {"beta": 1.0}])
    process, context = runner.ProcessRunner(), RunContext(shares_training=True)
    with monkeypatch.context() as patch:
        patch.setattr(runner, "evaluate_split", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            process.run_experiment(specs[0], context)
    once = len(steps)
    found = process.run_experiment(specs[1], context)
    assert len(steps) == once
    assert without_times(found) == without_times(runner.run_experiment(specs[1], RunContext()))


def test_an_interrupted_training_is_resumed_and_shared(
    tmp_path: Path, steps: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    specs = specs_of("promptsrc", [{"average": False}, {}])
    expected = [without_times(run) for run in alone(specs)]
    whole = len(steps) // 2
    steps.clear()
    kind: Any = METHODS.get("promptsrc")
    plain = kind.on_epoch_end

    def interrupted(self: Any, epoch: int, epochs: int) -> None:
        if epoch == 1:
            raise KeyboardInterrupt
        plain(self, epoch, epochs)

    saved = RunContext(checkpoints=tmp_path, checkpoint_seconds=0.0)
    with monkeypatch.context() as patch:
        patch.setattr(kind, "on_epoch_end", interrupted)
        with pytest.raises(KeyboardInterrupt):
            shared(specs, saved)
    steps.clear()
    assert [without_times(run) for run in shared(specs, saved)] == expected
    assert 0 < len(steps) < whole


def test_nothing_of_a_training_stays_in_memory_when_something_else_is_carried_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (spec,), process, sharing = specs_of("apex", [{}]), runner.ProcessRunner(), RunContext(shares_training=True)
    found: list[object] = []

    monkeypatch.setattr(runner, "measure_difficulty", lambda *_: found.append(process._shared))
    process.run_experiment(spec, sharing)
    assert process._shared is not None
    process.measure_difficulty(spec.backbone, spec.dataset, RunContext())
    assert found == [None]


def test_features_of_batches_that_were_too_large_are_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    (spec, _), process = specs_of("apex", [{}, {"beta": 1.0}]), runner.ProcessRunner()
    evaluate, splits = runner.evaluate_split, list[Any]()

    def too_large_at_first(method: Any, split: Any, *given: Any, **options: Any) -> Any:
        splits.append(split)
        if len(splits) == 2:
            raise MemoryError
        return evaluate(method, split, *given, **options)

    monkeypatch.setattr(runner, "evaluate_split", too_large_at_first)
    process.run_experiment(spec, RunContext(shares_training=True, eval_batch=8))
    assert process._shared is not None
    assert process._shared._images is not None
    kept, part = process._shared._images[1], splits[0]
    assert [kept.holds(part.name, size, len(part)) for size in (8, 4)] == [False, True]


def test_the_end_of_a_training_has_nothing_that_only_further_steps_need() -> None:
    (spec,), process = specs_of("wise_ft_on", [{}]), runner.ProcessRunner()
    process.run_experiment(spec, RunContext(shares_training=True))
    assert process._shared is not None
    assert process._shared.end.content is not None
    parts = {name.partition(".")[0] for name in process._shared.end.content[1]}
    assert "trainable" in parts
    assert not parts & {"optimizer", "gradient"}


def test_a_training_that_was_interrupted_after_its_last_epoch_is_resumed_and_shared(
    tmp_path: Path, steps: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    specs = specs_of("promptsrc", [{"average": False}, {}])
    saved, expected = (
        RunContext(checkpoints=tmp_path, checkpoint_seconds=0.0),
        [without_times(run) for run in alone(specs)],
    )
    with monkeypatch.context() as patch:
        patch.setattr(METHODS.get("promptsrc"), "finalise", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            shared(specs, saved)
    steps.clear()
    assert [without_times(run) for run in shared(specs, saved)] == expected
    assert steps == []


def test_a_training_whose_first_run_fails_at_its_end_charges_the_others_for_its_memory(
    steps: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    specs, process, context = (
        specs_of("apex", [{}, {"beta": 1.0}]),
        runner.ProcessRunner(),
        RunContext(shares_training=True),
    )
    monkeypatch.setattr(runner.CostMeter, "memory", lambda _: (2**50, 2**40))
    with monkeypatch.context() as patch:
        patch.setattr(METHODS.get("apex"), "finalise", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            process.run_experiment(specs[0], context)
    steps.clear()
    cost = process.run_experiment(specs[1], context)[0].cost
    assert steps == []
    assert cost is not None
    assert (cost.peak_memory_bytes, cost.added_memory_bytes) == (2**50, 2**40)


def test_no_features_are_kept_that_no_other_run_has() -> None:
    every, some = specs_of("promptsrc", [{}])[0], specs_of("apex", [{}])[0]
    assert set(METHODS.get("promptsrc").info.after_training.values()) == {"features"}
    kept = []
    for spec in (every, some):
        process = runner.ProcessRunner()
        process.run_experiment(spec, RunContext(shares_training=True))
        assert process._shared is not None
        kept.append(process._shared._images is not None)
    assert kept == [False, True]
