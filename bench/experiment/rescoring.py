"""Classifies the test images of a stored run again, by its stored model or by a repetition of the run."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench.context import RunContext
from bench.experiment.accelerator import device_arithmetic
from bench.experiment.evaluation import evaluate, evaluate_open
from bench.experiment.features.inputs import shared_inputs
from bench.experiment.kept_models import restored_method
from bench.experiment.model_file import read_model
from bench.experiment.runner import run_experiment
from bench.experiment.task import load_task
from bench.record import OpenScore, Predictions
from bench.spec import ExperimentSpec
from datasets_registry import EvalSplit
from methods import Batch, Precision

Opened = tuple[OpenScore | None, list[Predictions]]
"""Open score, and predictions on every split."""


def open_score_by_model(spec: ExperimentSpec, model: Path, context: RunContext) -> Opened:
    """The open score of a base-to-new run from its stored model, with the predictions on every split.

    Raises:
        ModelFileError: if the model is damaged, or does not fit the installed method or the backbone.
        StaleSpecError: if the data have changed since the run.
    """
    with device_arithmetic(context.device, Precision(spec.precision), fast=context.fast):
        task = load_task(spec, context)
        inputs = shared_inputs(spec.backbone, context, Precision(spec.precision))
        method = restored_method(*read_model(model), inputs.backbone)

        def batches(part: EvalSplit) -> Iterator[Batch]:
            return inputs.evaluation_batches(part.images, part.samples, method.info.needs, context.eval_batch)

        base, new = task.evals
        plain = [evaluate(method, part, partial(batches, part))[1] for part in (base, new)]
        opened, predictions = evaluate_open(method, base, new, batches)
        return opened, [*plain, *predictions]


def open_score_by_repetition(spec: ExperimentSpec, context: RunContext) -> Opened:
    """The open score of a repetition of a run, with the predictions on every split; raises as `run_experiment` does."""
    record, predictions = run_experiment(spec, context)
    return record.open, predictions
