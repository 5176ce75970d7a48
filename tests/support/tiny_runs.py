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


def one_spec(method: str, *overrides: str, **axes: object) -> ExperimentSpec:
    """The spec of a method for base-to-new with two shots and seed 1, unless the axes of the sweep are others."""
    usual = {"protocol": EvalProtocol.BASE_TO_NEW, "shots": (2,), "seeds": (1,)}
    (spec,) = expand(sweep_over([method], [DATASET], [BACKBONE], overrides=overrides, **usual | axes)).specs
    return spec


def spec_of(
    method: str, *, seed: int = 1, protocol: EvalProtocol = EvalProtocol.BASE_TO_NEW, **settings: object
) -> ExperimentSpec:
    """The spec of a short training with these settings of the method."""
    short = [f"{method}.recipe.epochs=2", f"{method}.recipe.views=2"] if method != "zero_shot" else []
    chosen = [f"{method}.{key}={value}" for key, value in settings.items()]
    return one_spec(method, *short, *chosen, protocol=protocol, seeds=(seed,))


def constant_rate_spec(
    method: str, protocol: EvalProtocol, selection: str | None = None, **recipe: object
) -> ExperimentSpec:
    """A constant learning rate, so that a training of n epochs is the beginning of any longer one."""
    values = recipe | {"schedule": "constant", "warmup": "none"}
    overrides = [f"{method}.recipe.{key}={value}" for key, value in values.items()]
    return one_spec(method, *overrides, protocol=protocol, selection=selection)


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
