"""One run from its spec to its record: `run_experiment` lists the stages in order."""

import hashlib
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import torch

from bench.context import RunContext
from bench.experiment.checkpoints import Checkpoint
from bench.experiment.cost import CostMeter
from bench.experiment.curve import TrainingCurve
from bench.experiment.epoch_selection import EpochCandidates
from bench.experiment.evaluation import evaluate, plain_accuracy
from bench.experiment.features.inputs import shared_inputs
from bench.experiment.measured_difficulty import measure_difficulty
from bench.experiment.task import load_task
from bench.experiment.training_loop import fit, training_epochs
from bench.method_info.source_digest import machinery_digest, source_digest
from bench.provenance import environment as provenance
from bench.record import Predictions, RunError, RunRecord, RunStatus
from bench.spec import ExperimentSpec
from datasets_registry import EvalSplit, SupportSet, last_fingerprint
from methods import Batch, Precision, Recipe, TrainableMethod, get_method

__all__ = ["failed_record", "measure_difficulty", "run_experiment"]


def run_experiment(spec: ExperimentSpec, context: RunContext) -> tuple[RunRecord, list[Predictions]]:
    """Carry out one run; returns its record, and the predictions of each evaluation split in the order of the scores.

    The same spec gives bit-identical scores and predictions on one machine, in any order of runs.

    Raises:
        StaleSpecError: if the data on disk are no longer those that the spec was planned for.
        BenchError: if data or weights cannot be used, or training diverges.
    """
    torch.set_num_threads(context.threads)
    inputs = shared_inputs(spec.backbone, context, Precision(spec.precision))
    task = load_task(spec, context)
    meter = CostMeter(inputs.backbone)
    method_class = get_method(spec.method)
    config = method_class.info.config.model_validate(spec.config)
    method = method_class(inputs.backbone, config, _generator(spec.seed, "init"))
    support_view = partial(inputs.support_view, shots=spec.shots, seed=spec.seed)

    def batches(part: EvalSplit | SupportSet) -> Iterator[Batch]:
        return inputs.evaluation_batches(part.images, part.samples, method.info.needs, context.eval_batch)

    with meter.phase("prepare"):
        method.prepare(support_view(task.support))

    trained = checkpoint = candidates = curve = selected_epoch = None
    if isinstance(method, TrainableMethod):
        recipe = Recipe.model_validate(spec.recipe).for_dataset(spec.dataset)
        checkpoint = _checkpoint(method, spec.run_id, context, meter)
        candidates = EpochCandidates(method) if spec.epoch_selection else None
        curve = TrainingCurve(method) if context.curve else None
        observers = {name: one for name, one in {"copy": candidates, "curve": curve}.items() if one is not None}
        epochs = training_epochs(method, recipe, len(task.support), spec.shots)
        with meter.phase("train"):
            trained = fit(
                method,
                recipe,
                n=len(task.support),
                shots=spec.shots,
                batches_of=partial(inputs.epoch_batches, task.support, method.info.needs, recipe, spec.seed, epochs),
                generator=_generator(spec.seed, "shuffle"),
                checkpoint=checkpoint,
                observers=observers,
            )

    with meter.phase("select"):
        if method.info.needs_validation and len(task.validation):
            method.calibrate(support_view(task.validation))
        if candidates and spec.epoch_selection == "validation":
            selected_epoch = candidates.keep_best(partial(batches, task.validation), task.validation.labels)

    oracle = candidates if spec.epoch_selection == "oracle" else None
    with meter.phase("eval"):
        scored = [
            evaluate(method, split, partial(batches, split), keep_branches=context.keep_branches, epochs=oracle)
            for split in task.evals
        ]

    cost = meter.cost(method, trained, checkpoint.earlier if checkpoint else ())  # before the curve is evaluated
    points = curve.points(lambda: {s.name: plain_accuracy(method, s, batches(s)) for s in task.evals}) if curve else []
    record = RunRecord(
        run_id=spec.run_id,
        spec=spec,
        status=RunStatus.OK,
        scores=[score for score, _ in scored],
        final_loss=trained.loss if trained else None,
        selected_epoch=selected_epoch,
        curve=points,
        cost=cost,
        provenance=provenance.collect(
            method=spec.method,
            backbone_digest=inputs.backbone.digest,
            support_digests=[task.support.images.digest(sample.key) for sample in task.support.samples],
            device=str(inputs.backbone.device),
            threads=context.threads,
            dataset_check=last_fingerprint(spec.dataset, context.data_root),
            eval_batch=context.eval_batch,
        ),
        created_at=datetime.now(UTC),
    )
    return record, [predictions for _, predictions in scored]


def failed_record(spec: ExperimentSpec, error: BaseException, context: RunContext) -> RunRecord:
    """The record of a run that raised an error: the error's kind, message and traceback."""
    trace = "".join(traceback.format_exception(error))
    return RunRecord(
        run_id=spec.run_id,
        spec=spec,
        status=RunStatus.FAILED,
        provenance=provenance.collect(
            method=spec.method, backbone_digest="", support_digests=[], device=context.device, threads=context.threads
        ),
        error=RunError(kind=type(error).__name__, message=str(error) or type(error).__name__, traceback=trace),
        created_at=datetime.now(UTC),
    )


def _generator(seed: int, purpose: str) -> torch.Generator:
    """A CPU generator for one purpose of a run seed; each purpose has its own, so that none affects another."""
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def _checkpoint(method: TrainableMethod[Any], run_id: str, context: RunContext, meter: CostMeter) -> Checkpoint | None:
    if context.checkpoints is None:
        return None
    identity = {
        "run_id": run_id,
        "method": source_digest(type(method)),
        "machinery": machinery_digest(type(method)),
        "backbone": method.backbone.digest,
        "torch": torch.__version__,
        "device": method.backbone.device.type,
        "curve": str(context.curve),
    }
    path = context.checkpoints / f"{run_id}.safetensors"
    return Checkpoint(path, identity, context.checkpoint_seconds, meter=meter.reading)
