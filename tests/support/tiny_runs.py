"""Runs on synthetic images and a tiny random backbone, and the part of their results that must be bit-identical."""

from __future__ import annotations

from sweep_requests import sweep_over

from bench.context import RunContext
from bench.experiment.features.inputs import load_inputs, loaded_backbone
from bench.experiment.runner import run_experiment
from bench.experiment.task import read_splits
from bench.record import Predictions, RunRecord
from bench.spec import ExperimentSpec
from bench.sweep import expand
from datasets_registry import EvalProtocol

BACKBONE = "ViT-tiny.random"
DATASET = "spectrum_basic:test=5"


def spec_of(
    method: str, *, seed: int = 1, protocol: EvalProtocol = EvalProtocol.BASE_TO_NEW, **settings: object
) -> ExperimentSpec:
    overrides = [f"{method}.recipe.epochs=2", f"{method}.recipe.views=2"] if method != "zero_shot" else []
    overrides += [f"{method}.{k}={v}" for k, v in settings.items()]
    axes = sweep_over(
        [method], [DATASET], [BACKBONE], protocol=protocol, shots=(2,), seeds=(seed,), overrides=overrides
    )
    (spec,) = expand(axes).specs
    return spec


def constant_rate_spec(
    method: str, protocol: EvalProtocol, selection: str | None = None, **recipe: object
) -> ExperimentSpec:
    """A constant learning rate, so that a training of n epochs is the beginning of any longer one."""
    overrides = [f"{method}.recipe.{key}={value}" for key, value in recipe.items()]
    overrides += [f"{method}.recipe.schedule=constant", f"{method}.recipe.warmup=none"]
    axes = sweep_over(
        [method], [DATASET], [BACKBONE], protocol=protocol, shots=(2,), seeds=(1,), overrides=overrides,
        selection=selection,
    )  # fmt: skip
    (spec,) = expand(axes).specs
    return spec


_FINISHED: dict[str, tuple[RunRecord, list[Predictions]]] = {}


def finished(spec: ExperimentSpec) -> tuple[RunRecord, list[Predictions]]:
    """The record and the predictions of a run without a cache folder, which is carried out once per process."""
    if spec.run_id not in _FINISHED:
        _FINISHED[spec.run_id] = run_experiment(spec, RunContext())
    return _FINISHED[spec.run_id]


def forget_loaded() -> None:
    """Clear what this process has loaded, so that the next run starts like one in a new process."""
    load_inputs.cache_clear()
    loaded_backbone.cache_clear()
    read_splits.cache_clear()


def outcome(run: tuple[RunRecord, list[Predictions]]) -> tuple[object, ...]:
    record, predictions = run
    logits = [p.top_logits.tobytes() + p.true_logit.tobytes() for p in predictions]
    return [s.model_dump() for s in record.scores], record.final_loss, logits
