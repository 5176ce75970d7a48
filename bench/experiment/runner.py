"""One run from its spec to its record: `run_experiment` lists the stages in order."""

import hashlib
import logging
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Self, TypeVar

import torch
from torch import Tensor

from bench._util.memory import out_of_memory
from bench.context import RunContext
from bench.experiment.accelerator import (
    await_free_memory,
    device_arithmetic,
    free_cached_memory,
    gpu_facts,
    memory_advice,
)
from bench.experiment.checkpoints import Checkpoint, Progress
from bench.experiment.cost import CostMeter
from bench.experiment.epoch_observers import EpochCandidates, TrainingCurve
from bench.experiment.evaluation import SharedImageFeatures, evaluate, evaluate_open, plain_accuracy
from bench.experiment.features.inputs import SupportMemory, shared_inputs
from bench.experiment.kept_models import kept_model
from bench.experiment.measured_difficulty import measure_difficulty
from bench.experiment.stacked_training import StackedRun, can_stack, fit_stack
from bench.experiment.task import load_task
from bench.experiment.training_loop import fit, training_epochs
from bench.record import OpenScore, Predictions, Provenance, RunError, RunRecord, RunStatus, Score
from bench.results import environment as provenance
from bench.results import source_digest
from bench.spec import ExperimentSpec
from datasets_registry import BenchError, EvalProtocol, EvalSplit, SupportSet, last_fingerprint
from methods import Batch, Precision, Recipe, TrainableMethod, get_method

__all__ = ["failed_record", "measure_difficulty", "run_and_keep", "run_experiment"]

_LOG = logging.getLogger("bench.experiment.runner")
ResultT = TypeVar("ResultT")


def run_experiment(spec: ExperimentSpec, context: RunContext) -> tuple[RunRecord, list[Predictions]]:
    """Carry out one run; returns its record and the predictions of each evaluation split in the order of the scores.

    In base-to-new, these are followed by the predictions of base and new images among all names, for the open score.

    The same spec gives bit-identical scores and predictions on one machine, in any order of runs. With
    `context.alongside`, those runs train together with this one if possible, and stay in memory until they are
    requested.

    Raises:
        StaleSpecError: if the data on disk have changed since the spec was planned.
        BenchError: if data or weights cannot be used, or training diverges.
    """
    with device_arithmetic(context.device, Precision(spec.precision), fast=context.fast):
        return _trained(spec, context).finish()


def run_and_keep(spec: ExperimentSpec, context: RunContext) -> tuple[RunRecord, list[Predictions], bytes | BenchError]:
    """`run_experiment`, and the content of the run's model file or the reason why the method cannot be stored."""
    with device_arithmetic(context.device, Precision(spec.precision), fast=context.fast):
        run = _trained(spec, context)
        record, predictions = run.finish()
        try:
            return record, predictions, kept_model(record, run.method, run.task, run.inputs, context)
        except BenchError as error:
            return record, predictions, error


def _trained(spec: ExperimentSpec, context: RunContext) -> "_Run":
    torch.set_num_threads(context.threads)
    await_free_memory(context.device)
    run = _trained_together(spec, context)
    if run is None:
        run = _Run(spec, context)
        run.train()
    return run


class _Run:
    """One run: prepared on creation, then trained alone or with others, then finished.

    Args:
        together: number of runs that train together.
        first: the first of these runs; None for itself.
    """

    def __init__(self, spec: ExperimentSpec, context: RunContext, together: int = 1, first: Self | None = None) -> None:
        self.spec, self.context = spec, context
        self.inputs = inputs = shared_inputs(spec.backbone, context, Precision(spec.precision))
        self.task = load_task(spec, context)
        self.meter: CostMeter = CostMeter(inputs.backbone, together, first.meter if first else None)
        method_class = get_method(spec.method)
        config = method_class.info.config.model_validate(spec.config)
        self.method = method = method_class(inputs.backbone, config, _generator(spec.seed, "init"))
        self.support_view = partial(inputs.support_view, shots=spec.shots - spec.held_out_shot, seed=spec.seed)
        self.eval_batch = context.eval_batch
        with self.meter.phase("prepare"), memory_advice(spec, "preparing"):
            method.prepare(self.support_view(self.task.support))
        self.trained: Progress | None = None
        self.checkpoint: Checkpoint | None = None
        self.candidates: EpochCandidates | None = None
        self.curve: TrainingCurve | None = None
        if isinstance(method, TrainableMethod):
            self.recipe = Recipe.model_validate(spec.recipe).for_dataset(spec.dataset)
            self.checkpoint = _checkpoint(method, spec.run_id, context, self.meter)
            self.candidates = EpochCandidates(method) if spec.epoch_selection else None
            self.curve = TrainingCurve(method, self.meter.clock) if context.curve else None

    def training(self) -> StackedRun:
        """The data of this run for the training loop."""
        assert isinstance(self.method, TrainableMethod)
        named = {"copy": self.candidates, "curve": self.curve}
        epochs = training_epochs(self.method, self.recipe, len(self.task.support), self.spec.shots)
        make = partial(
            self.inputs.epoch_batches, self.task.support, self.method.info.needs, self.recipe, self.spec.seed, epochs
        )
        return StackedRun(
            self.method,
            partial(make, memory=SupportMemory()),
            _generator(self.spec.seed, "shuffle"),
            self.checkpoint,
            {name: one for name, one in named.items() if one is not None},
            self.meter.counting,
        )

    def train(self) -> None:
        """Train alone, if the method is trainable."""
        if not isinstance(self.method, TrainableMethod):
            return
        with self.meter.phase("train"), memory_advice(self.spec, "training"):
            self.trained = fit(
                recipe=self.recipe, n=len(self.task.support), shots=self.spec.shots, **self.training().alone()
            )

    def finish(self) -> tuple[RunRecord, list[Predictions]]:
        """Select settings and epoch, evaluate, and create the record."""
        spec, task, method, meter = self.spec, self.task, self.method, self.meter
        selected_epoch = self._select()
        oracle = self.candidates if spec.epoch_selection == "oracle" else None
        shared = SharedImageFeatures(method)

        def shared_batches(part: EvalSplit) -> Iterator[Batch]:
            ahead = not shared.holds(part.name, self.eval_batch, len(part))
            return shared.numbered(part.name, self.eval_batch, self._batches(part, ahead=ahead))

        # an oracle changes the method between passes, and another protocol has no second pass
        reuse = self._has_open_score and oracle is None and not method.oracle_classifiers(task.support.classes)
        batches = shared_batches if reuse else self._batches
        with meter.phase("eval"), shared:
            scored = self._in_halved_batches(lambda: [self._scored(split, batches, oracle) for split in task.evals])

        # before the open score and the curve, which do not count as cost
        eval_batch = self.eval_batch
        cost = meter.cost(method, self.trained, self.checkpoint.earlier if self.checkpoint else ())
        with shared:
            opened, open_predictions = self._open_score(batches, oracle)
        record = RunRecord(
            run_id=spec.run_id,
            spec=spec,
            status=RunStatus.OK,
            scores=[score for score, _ in scored],
            open=opened,
            final_loss=self.trained.loss if self.trained else None,
            selected_epoch=selected_epoch,
            curve=self.curve.points(self._accuracies) if self.curve else [],
            cost=cost,
            provenance=self._provenance(eval_batch),
            created_at=datetime.now(UTC),
        )
        return record, [*(predictions for _, predictions in scored), *open_predictions]

    def _select(self) -> int | None:
        """Select settings and epoch on the validation images; returns the epoch, None if it was not selected there."""
        validation = self.task.validation
        with self.meter.phase("select"):
            if self.method.info.needs_validation and len(validation):
                self.method.calibrate(self.support_view(validation))
            if self.candidates and self.spec.epoch_selection == "validation":
                return self.candidates.keep_best(partial(self._batches, validation), validation.labels)
        return None

    def _batches(self, part: EvalSplit | SupportSet, *, ahead: bool = True) -> Iterator[Batch]:
        """The images of a part in order, without labels."""
        return self.inputs.evaluation_batches(
            part.images, part.samples, self.method.info.needs, self.eval_batch, seed=self.spec.seed, ahead=ahead
        )

    def _scored(
        self, split: EvalSplit, batches: Callable[[EvalSplit], Iterator[Batch]], oracle: EpochCandidates | None
    ) -> tuple[Score, Predictions]:
        """Evaluate one split, in the order of the test stream if the method learns from it."""
        order = stream_order(len(split), self.spec.seed) if self.method.info.reads_test_stream else None
        shown = split if order is None else replace(split, samples=tuple(split.samples[i] for i in order.tolist()))
        keep = self.context.keep_branches
        return evaluate(self.method, split, partial(batches, shown), keep_branches=keep, epochs=oracle, order=order)

    def _accuracies(self) -> dict[str, float]:
        """The accuracy on each split, for a point of the curve."""
        return {split.name: plain_accuracy(self.method, split, self._batches(split)) for split in self.task.evals}

    def _provenance(self, eval_batch: int) -> Provenance:
        spec, context, task, backbone = self.spec, self.context, self.task, self.inputs.backbone
        return provenance.collect(
            method=spec.method,
            backbone_digest=backbone.digest,
            support_digests=[task.support.images.digest(sample.key) for sample in task.support.samples],
            true_labels=task.relabelled,
            device=str(backbone.device),
            threads=context.threads,
            dataset_check=last_fingerprint(spec.dataset, context.data_root),
            eval_batch=eval_batch,
            gpu=gpu_facts(backbone.device),
        )

    @property
    def _has_open_score(self) -> bool:
        return self.spec.protocol is EvalProtocol.BASE_TO_NEW and self.spec.fold is None

    def _open_score(
        self, batches: Callable[[EvalSplit], Iterator[Batch]], oracle: EpochCandidates | None
    ) -> tuple[OpenScore | None, list[Predictions]]:
        """The open score of a base-to-new run with its predictions; None for other protocols and in a race."""
        if not self._has_open_score:
            return None, []
        base, new = self.task.evals
        return self._in_halved_batches(lambda: evaluate_open(self.method, base, new, batches, epochs=oracle))

    def _in_halved_batches(self, scored: Callable[[], ResultT]) -> ResultT:
        """The result of `scored`, repeated with half the test images per batch whenever memory runs out.

        All splits are scored again, so that they share the recorded batch size.
        """
        tuning = copy(self.method.tuning)
        while True:
            try:
                return scored()
            except Exception as error:
                if not out_of_memory(error) or self.eval_batch == 1:
                    raise
            self.eval_batch = max(1, self.eval_batch // 2)
            self.method.tuning = copy(tuning)
            free_cached_memory(self.inputs.backbone.device)
            _LOG.warning("Memory ran out in the evaluation; it continues with batches of %d.", self.eval_batch)


_WAITING: dict[str, _Run] = {}
"""Trained runs of the last stack that have not been requested yet, by run id."""


def _trained_together(spec: ExperimentSpec, context: RunContext) -> _Run | None:
    """This run, trained together with those of `context.alongside`, now or earlier; None if it must train alone."""
    alone = context.model_copy(update={"alongside": ()})
    if (run := _WAITING.pop(spec.run_id, None)) is not None and run.context == alone:
        run.meter.begin_alone()
        return run
    if not context.alongside:
        return None
    _WAITING.clear()
    try:
        runs = _train_stack((spec, *context.alongside), alone)
    except Exception as error:  # each run is repeated alone and then fails or succeeds by itself
        _LOG.warning("%d runs of %s train one by one: %s", 1 + len(context.alongside), spec.method, error)
        return None
    _WAITING.update({run.spec.run_id: run for run in runs[1:]})
    return runs[0] if runs else None


def _train_stack(specs: Sequence[ExperimentSpec], context: RunContext) -> list[_Run]:
    """Prepare and train runs as a stack, in the order of `specs`; empty if they must train one by one.

    They must if their recipes or their numbers of images differ. Runs with a checkpoint resume alone.
    """
    folder = context.checkpoints
    if folder is not None:
        specs = [spec for spec in specs if spec is specs[0] or not (folder / f"{spec.run_id}.safetensors").exists()]
        if (folder / f"{specs[0].run_id}.safetensors").exists():
            return []
    runs: list[_Run] = []
    for spec in specs:
        runs.append(_Run(spec, context, len(specs), runs[0] if runs else None))
    n = len(runs[0].task.support)
    method = runs[0].method
    same = all(len(run.task.support) == n and run.recipe == runs[0].recipe for run in runs)
    if len(runs) < 2 or not isinstance(method, TrainableMethod) or not can_stack(method.info) or not same:
        return []
    start = time.perf_counter()
    progress = fit_stack([run.training() for run in runs], runs[0].recipe, n=n, shots=specs[0].shots)
    seconds = time.perf_counter() - start
    for run, reached in zip(runs, progress, strict=True):
        run.trained = reached
        run.meter.end_of_shared_training(seconds)
    return runs


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


def stream_order(n: int, seed: int) -> Tensor:
    """The order of the test stream for a method that learns from test images: positions `(n,)`, drawn by the seed."""
    return torch.randperm(n, generator=_generator(seed, "stream"))


def _generator(seed: int, purpose: str) -> torch.Generator:
    """A CPU generator for one purpose of a run's seed; each purpose has its own, so that they are independent."""
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def _checkpoint(method: TrainableMethod[Any], run_id: str, context: RunContext, meter: CostMeter) -> Checkpoint | None:
    if context.checkpoints is None:
        return None
    identity = {
        "run_id": run_id,
        "method": source_digest(type(method)),
        "version": str(method.info.version),
        "backbone": method.backbone.digest,
        "torch": torch.__version__,
        "device": method.backbone.device.type,
        "curve": str(context.curve),
    }
    path = context.checkpoints / f"{run_id}.safetensors"
    return Checkpoint(path, identity, context.checkpoint_seconds, meter=meter.reading)
