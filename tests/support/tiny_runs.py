"""Runs on drawn images and a tiny random backbone, and what of their outcome must be equal to the bit."""

from __future__ import annotations

from bench.experiment.features.inputs import load_inputs
from bench.experiment.task import read_splits
from bench.record import Predictions, RunRecord
from bench.spec import ExperimentSpec
from bench.sweep import Axes, expand
from datasets_registry import EvalProtocol

BACKBONE = "ViT-tiny.random"
DATASET = "spectrum_basic"


def spec_of(
    method: str, *, seed: int = 1, protocol: EvalProtocol = EvalProtocol.BASE_TO_NEW, **settings: object
) -> ExperimentSpec:
    overrides = [f"{method}.recipe.epochs=2", f"{method}.recipe.views=2"] if method != "zero_shot" else []
    overrides += [f"{method}.{k}={v}" for k, v in settings.items()]
    axes = Axes([method], [DATASET], [BACKBONE], protocol=protocol, shots=(2,), seeds=(seed,), overrides=overrides)
    (spec,) = expand(axes).specs
    return spec


def forget_loaded() -> None:
    """Forget what this process has loaded, as a new process would."""
    load_inputs.cache_clear()
    read_splits.cache_clear()


def outcome(answer: tuple[RunRecord, list[Predictions]]) -> tuple[object, ...]:
    record, predictions = answer
    logits = [p.top_logits.tobytes() + p.true_logit.tobytes() for p in predictions]
    return [s.model_dump() for s in record.scores], record.final_loss, logits
