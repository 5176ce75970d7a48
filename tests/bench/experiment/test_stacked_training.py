"""Runs that train together give the bits of runs that train alone."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from bench.experiment.stacked_training import READABLE, Training, can_stack, fit_stack
from families_of_methods import one_of_each_family
from sweep_requests import sweep_over
from tiny_runs import BACKBONE, DATASET, outcome

from bench.context import RunContext
from bench.errors import NonFiniteLossError, StaleSpecError
from bench.experiment import runner
from bench.experiment.features.inputs import shared_inputs
from bench.experiment.training_loop import fit
from bench.spec import ExperimentSpec
from bench.sweep import expand
from datasets_registry import ClassSet, EvalProtocol
from methods import METHODS, Batch, Recipe, SupportView, TrainableMethod, separate, stack_runs

STACKABLE = [name for name in METHODS if METHODS.get(name).info.stackable]
SEEDS = (1, 2, 3)


def specs_of(method: str, *, shots: int = 2, selection: str | None = None, **recipe: object) -> list[ExperimentSpec]:
    if METHODS.get(method).info.recipe_for(EvalProtocol.FEW_SHOT).steps:  # type: ignore[union-attr]
        recipe = {"steps": 205, **recipe}
    overrides = [f"{method}.recipe.{key}={value}" for key, value in ({"epochs": 3, "views": 2} | recipe).items()]
    axes = sweep_over(
        [method],
        [DATASET],
        [BACKBONE],
        protocol=EvalProtocol.FEW_SHOT,
        shots=(shots,),
        seeds=SEEDS,
        overrides=overrides,
        selection=selection,
    )
    return list(expand(axes).specs)


def alone(specs: list[ExperimentSpec], context: RunContext) -> list[Any]:
    return [runner.run_experiment(spec, context) for spec in specs]


def together(specs: list[ExperimentSpec], context: RunContext) -> list[Any]:
    """The runs in their order, of which the first trains all."""
    process = runner.ProcessRunner()
    return [process.run_experiment(spec, beside(spec, specs, context)) for spec in specs]


def beside(spec: ExperimentSpec, specs: list[ExperimentSpec], context: RunContext) -> RunContext:
    """The context of a run that may train together with the others."""
    return context.model_copy(update={"alongside": tuple(other for other in specs if other is not spec)})


@pytest.fixture
def stacks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the stacks that were trained."""
    sizes: list[int] = []

    def counted(runs: list[Training], *args: Any, **settings: Any) -> Any:
        sizes.append(len(runs))
        return fit_stack(runs, *args, **settings)

    monkeypatch.setattr(runner, "fit_stack", counted)
    return sizes


def test_the_methods_that_train_a_head_on_frozen_features_opt_in() -> None:
    named = {"clip_adapter", "task_res", "cross_modal", "clap", "zs_lp", "visual_adapter", "text_adapter"}
    assert named <= set(STACKABLE)
    assert all(can_stack(METHODS.get(name).info) for name in STACKABLE)
    assert not METHODS.get("wise_ft_on:task_res").info.stackable  # a wrapper may have another loss
    assert not METHODS.get("coop").info.stackable


@pytest.mark.parametrize("method", one_of_each_family(STACKABLE))
@pytest.mark.parametrize("shots", [1, 3])
def test_records_and_predictions_are_those_of_runs_alone(method: str, shots: int, stacks: list[int]) -> None:
    specs, context = specs_of(method, shots=shots), RunContext(curve=True)
    plain, stacked = alone(specs, context), together(specs, context)
    assert stacks == [len(SEEDS)]
    assert [outcome(run) for run in stacked] == [outcome(run) for run in plain]
    for (record, _), (expected, _) in zip(stacked, plain, strict=True):
        assert [point.accuracy for point in record.curve] == [point.accuracy for point in expected.curve]
        assert record.spec == expected.spec
        assert record.cost.steps == expected.cost.steps
        assert record.cost.fits == expected.cost.fits
        assert record.cost.candidate_evaluations == expected.cost.candidate_evaluations
        assert record.provenance.model_dump(exclude={"packages"}) == expected.provenance.model_dump(
            exclude={"packages"}
        )


@pytest.mark.parametrize("selection", ["validation", "oracle"])
def test_the_epoch_is_selected_as_for_runs_alone(selection: str, stacks: list[int]) -> None:
    specs = specs_of("clip_adapter", selection=selection)
    plain, stacked = alone(specs, RunContext()), together(specs, RunContext())
    assert stacks == [len(SEEDS)]
    assert [outcome(run) for run in stacked] == [outcome(run) for run in plain]
    assert [run[0].selected_epoch for run in stacked] == [run[0].selected_epoch for run in plain]


def test_passes_are_counted_for_the_run_that_needs_them() -> None:
    specs = specs_of("clip_adapter", crop_scale="[0.31, 0.9]")  # views that no other test has stored
    shared_inputs(BACKBONE, RunContext()).feature_store._rows.clear()
    stacked = together(specs, RunContext())
    shared_inputs(BACKBONE, RunContext()).feature_store._rows.clear()
    plain = alone(specs, RunContext())
    trained = [[run[0].cost.shared_image_passes for run in runs] for runs in (stacked, plain)]
    assert trained[0] == trained[1]
    assert trained[0][1] > 0
    assert not any(run[0].cost.image_passes for run in (*stacked, *plain))


def test_shared_seconds_are_split(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(10_000))
    monkeypatch.setattr(runner, "own_clock", lambda: float(next(now)))
    runs = runner.train_stack(specs_of("task_res"), RunContext())
    shares = {trained.run.meter._seconds["train"] for trained in runs}
    assert len(shares) == 1
    assert 0 < shares.pop() * len(SEEDS) < 10_000


def test_a_run_that_cannot_start_leaves_the_others_alone(stacks: list[int], caplog: pytest.LogCaptureFixture) -> None:
    specs = specs_of("clip_adapter")
    expected = [outcome(run) for run in alone(specs, RunContext())]
    broken = [specs[0], specs[1].model_copy(update={"task_fingerprint": "0" * 32}), specs[2]]
    process, contexts = runner.ProcessRunner(), [beside(spec, broken, RunContext()) for spec in broken]
    first, _ = process.run_experiment(broken[0], contexts[0]), caplog.text
    with pytest.raises(StaleSpecError):
        process.run_experiment(broken[1], contexts[1])
    third = process.run_experiment(broken[2], contexts[2])
    assert [outcome(first), outcome(third)] == [expected[0], expected[2]]
    assert stacks == []
    assert "train one by one" in caplog.text


def test_runs_that_diverge_fail_one_by_one_with_their_own_message(monkeypatch: pytest.MonkeyPatch) -> None:
    loss = TrainableMethod.loss
    monkeypatch.setattr(TrainableMethod, "loss", lambda self, batch: loss(self, batch) * float("inf"))
    specs, process = specs_of("clip_adapter", epochs=30), runner.ProcessRunner()
    for spec in specs:
        with pytest.raises(NonFiniteLossError, match="clip_adapter is not finite"):
            process.run_experiment(spec, beside(spec, specs, RunContext()))


@pytest.mark.parametrize("method", ["cross_modal", "task_res"])
def test_an_interrupted_stack_is_resumed_run_by_run(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stacks: list[int]
) -> None:
    specs = specs_of(method, epochs=4)
    expected = [outcome(run) for run in alone(specs, RunContext())]
    saved = RunContext(checkpoints=tmp_path, checkpoint_seconds=0.0)
    kind, ends = METHODS.get(method), []
    original = kind.on_epoch_end

    def interrupted(self: Any, epoch: int, epochs: int) -> None:
        ends.append(epoch)
        if epoch == 2:
            raise KeyboardInterrupt
        original(self, epoch, epochs)

    monkeypatch.setattr(kind, "on_epoch_end", interrupted)
    with pytest.raises(KeyboardInterrupt):
        together(specs, saved)
    assert ends == [0, 0, 0, 1, 1, 1, 2]
    assert len(list(tmp_path.iterdir())) == len(SEEDS)
    ends.clear()
    monkeypatch.setattr(kind, "on_epoch_end", lambda self, *at: (ends.append(at[0]), original(self, *at))[1])
    assert [outcome(run) for run in together(specs, saved)] == expected
    assert min(ends) == 2
    assert stacks == [len(SEEDS)]


def test_a_waiting_run_belongs_to_its_context(stacks: list[int]) -> None:
    specs, process = specs_of("task_res"), runner.ProcessRunner()
    process.run_experiment(specs[0], beside(specs[0], specs, RunContext()))
    assert set(process._waiting) == {spec.run_id for spec in specs[1:]}
    record, _ = process.run_experiment(specs[1], RunContext(eval_batch=5))
    assert record.provenance.eval_batch == 5
    assert stacks == [len(SEEDS)]


def prepared(method: str, seed: int, dtype: torch.dtype, n: int = 35) -> TrainableMethod[Any]:
    """A method on random features, with all of its tensors in the given type."""
    kind, backbone = METHODS.get(method), shared_inputs(BACKBONE, RunContext()).backbone
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(n, backbone.embed_dim, generator=generator)
    classes = ClassSet(tuple(f"class {i}" for i in range(7)), "a photo of a {}.")
    support = SupportView(
        classes, torch.arange(n) % 7, n // 7, lambda: features, lambda k, _: features.expand(k, -1, -1)
    )
    made = kind(backbone, kind.info.default_config(EvalProtocol.FEW_SHOT), torch.Generator().manual_seed(seed))
    made.prepare(support)
    assert isinstance(made, TrainableMethod)
    made.classifier(classes)
    made.trainable.to(dtype)
    for name, value in vars(made).items():
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            setattr(made, name, value.to(dtype))
        elif isinstance(value, dict):
            value.update({k: v.to(dtype) for k, v in value.items() if isinstance(v, torch.Tensor)})
    return made


def data_of(seed: int, dtype: torch.dtype, dim: int, n: int = 35) -> Any:
    features = torch.randn(n, dim, generator=torch.Generator().manual_seed(100 + seed)).to(dtype)
    labels = torch.arange(n) % 7

    def batches(_epoch: int, indices: torch.Tensor) -> Batch:
        return Batch(
            labels[indices],
            features=lambda: features[indices],
            pooled=lambda: features[indices],
            pixels=lambda: torch.empty(0),
            needs=READABLE,
        )

    return lambda epoch: partial(batches, epoch)


@pytest.mark.parametrize("method", one_of_each_family(STACKABLE))
@pytest.mark.parametrize(
    ("dtype", "batch_size", "drop_last"),
    [
        (torch.float64, 8, False),
        (torch.float64, 0, True),
        (torch.float32, 8, True),
        (torch.float32, 8, False),
        (torch.float32, 1, True),
    ],
)
def test_parameters_have_the_bits_of_plain_training(
    method: str, dtype: torch.dtype, batch_size: int, drop_last: bool
) -> None:
    published = METHODS.get(method).info.recipe_for(EvalProtocol.FEW_SHOT)
    assert published is not None
    recipe: Recipe = published.model_copy(
        update={"epochs": 3, "epochs_by_shots": {}, "steps": 0, "batch_size": batch_size, "drop_last": drop_last}
    )
    dim = shared_inputs(BACKBONE, RunContext()).backbone.embed_dim
    runs = [
        [
            Training(
                prepared(method, s, dtype),
                recipe,
                data_of(s, dtype, dim),
                torch.Generator().manual_seed(s),
                None,
                {},
            )
            for s in SEEDS
        ]
        for _ in range(2)
    ]
    before = [p.clone() for p in runs[0][0].method.trainable.parameters()]
    ends = [fit(n=35, shots=5, **run.alone()) for run in runs[0]]
    assert fit_stack(runs[1], n=35, shots=5) == ends
    for plain, stacked in zip(*runs, strict=True):
        for a, b in zip(plain.method.trainable.parameters(), stacked.method.trainable.parameters(), strict=True):
            assert a.dtype == dtype
            assert torch.equal(a, b)
    assert not all(torch.equal(a, b) for a, b in zip(before, runs[0][0].method.trainable.parameters(), strict=True))


def test_methods_of_a_stack_follow_it_until_they_are_separated() -> None:
    methods = [prepared("task_res", seed, torch.float32) for seed in SEEDS]
    stack = stack_runs(methods)
    with torch.no_grad():
        stack.trainable.vectors.fill_(2.0)
    assert all(bool((method.trainable.vectors == 2).all()) for method in methods)
    separate(methods)
    with torch.no_grad():
        stack.trainable.vectors.fill_(3.0)
    assert all(bool((method.trainable.vectors == 2).all()) for method in methods)
