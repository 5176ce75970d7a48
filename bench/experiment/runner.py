"""One run from its spec to its record: prepared, trained alone or together with others, evaluated."""

from __future__ import annotations

import hashlib
import logging
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

import torch
from torch import Tensor

from bench._util.memory import out_of_memory
from bench.context import RunContext
from bench.errors import UsageError
from bench.experiment.accelerator import (
    await_free_memory,
    device_arithmetic,
    free_cached_memory,
    gpu_facts,
    memory_advice,
)
from bench.experiment.checkpoints import Checkpoint, Progress, TrainingEnd
from bench.experiment.cost import CostMeter
from bench.experiment.epoch_observers import EpochCandidates, EpochObserver, TrainingCurve
from bench.experiment.evaluation import KeptFeatures, SharedImages, evaluate_open, evaluate_split, plain_accuracy
from bench.experiment.features.inputs import shared_inputs
from bench.experiment.features.shared_cost import own_clock
from bench.experiment.features.training_images import TrainingImages
from bench.experiment.kept_models import kept_model
from bench.experiment.measured_difficulty import measure_difficulty
from bench.experiment.prediction_sets import SetThreshold, label_scores, labels_of, why_no_promise, with_sets
from bench.experiment.stacked_training import Training, can_stack, fit_stack
from bench.experiment.task import load_task, splits_of_run
from bench.experiment.teacher import load_teacher
from bench.experiment.training_loop import fit, training_epochs
from bench.extension import kind_of
from bench.record import (
    SCORES_VERSION,
    DifficultyRecord,
    OpenScore,
    Predictions,
    Provenance,
    RunError,
    RunRecord,
    RunStatus,
    Score,
)
from bench.results import check_stored_facts, collect_provenance, image_features_of, source_digest, training_of
from bench.spec import ExperimentSpec
from datasets_registry import (
    BenchError,
    EvalProtocol,
    EvalSplit,
    FewShotTask,
    Sample,
    SupportSet,
    UnlabelledImages,
    last_fingerprint,
)
from methods import Batch, Method, Precision, Recipe, SupportView, TrainableMethod, get_method

__all__ = ["ProcessRunner", "failed_record", "measure_difficulty", "run_and_keep", "run_experiment"]

_LOG = logging.getLogger("bench.experiment.runner")
ResultT = TypeVar("ResultT")


def failed_record(spec: ExperimentSpec, error: BaseException, context: RunContext) -> RunRecord:
    """The record of a run that raised an error: the error's kind, message and traceback."""
    trace = "".join(traceback.format_exception(error))
    return RunRecord(
        run_id=spec.run_id,
        spec=spec,
        status=RunStatus.FAILED,
        provenance=collect_provenance(
            method=spec.method, backbone_digest="", support_digests=[], device=context.device, threads=context.threads
        ),
        error=RunError(kind=type(error).__name__, message=_message(spec, error), traceback=trace),
        created_at=datetime.now(UTC),
    )


def _message(spec: ExperimentSpec, error: BaseException) -> str:
    """The message of an error; one of a mistake in the method's code also has the innermost line of its files."""
    text = str(error) or type(error).__name__
    if isinstance(error, BenchError) or kind_of(spec.method) is not None:
        return text
    modules = {base.__module__ for base in get_method(spec.method).__mro__}
    files = {getattr(sys.modules.get(one), "__file__", None) for one in modules if not one.startswith("methods._")}
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in files]
    return f"{text} ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else text


class ProcessRunner:
    """Carries out the runs of a process, one after the other.

    With `context.alongside`, those runs train together with the requested one if possible. The trained runs stay in
    memory until they are requested, or until the next runs train together. With `context.shares_training`, the end of
    the training stays in memory until something else is carried out.
    """

    failed_record = staticmethod(failed_record)

    def __init__(self) -> None:
        self._waiting: dict[str, TrainedRun] = {}
        self._shared: SharedTraining | None = None

    def run_experiment(self, spec: ExperimentSpec, context: RunContext) -> tuple[RunRecord, list[Predictions]]:
        """Carry out one run, see the function `run_experiment`."""
        self._shared = self._shared_training(spec, context)
        if (kind := kind_of(spec.method)) is not None:
            return kind.run(spec, context)
        with device_arithmetic(context.device, Precision(spec.precision), fast=context.fast):
            return _Evaluation(self._trained(spec, context)).record()

    def run_and_keep(
        self, spec: ExperimentSpec, context: RunContext
    ) -> tuple[RunRecord, list[Predictions], bytes | BenchError]:
        """Carry out one run; also returns its model file, or the reason why the method cannot be stored."""
        self._shared = self._shared_training(spec, context)
        if (kind := kind_of(spec.method)) is not None:
            return *kind.run(spec, context), UsageError(f"{spec.method} is not a method of the harness")
        with device_arithmetic(context.device, Precision(spec.precision), fast=context.fast):
            evaluation = _Evaluation(self._trained(spec, context))
            record, predictions = evaluation.record()
            run = evaluation.run
            try:
                return (
                    record,
                    predictions,
                    kept_model(
                        record,
                        run.method,
                        run.task,
                        run.inputs,
                        context,
                        image_list=run.image_list,
                        validation=evaluation.validation_logits,
                    ),
                )
            except BenchError as error:
                return record, predictions, error

    def measure_difficulty(self, backbone: str, dataset: str, context: RunContext) -> list[DifficultyRecord]:
        """The difficulty of a dataset for a backbone, see the function `measure_difficulty`."""
        self._shared = None
        return measure_difficulty(backbone, dataset, context)

    def _trained(self, spec: ExperimentSpec, context: RunContext) -> TrainedRun:
        """The run, trained with those of `context.alongside`, now or earlier, or alone."""
        torch.set_num_threads(context.threads)
        await_free_memory(context.device)
        alone = context.model_copy(update={"alongside": ()})
        waiting = self._waiting.pop(spec.run_id, None)
        if waiting is not None and waiting.run.context == alone:
            waiting.run.meter.begin_alone()
            return waiting
        if context.alongside:
            self._waiting.clear()
            self._waiting = {run.run.spec.run_id: run for run in _trained_together(spec, context.alongside, alone)}
        return self._waiting.pop(spec.run_id, None) or train_alone(PreparedRun(spec, context), self._shared)

    def _shared_training(self, spec: ExperimentSpec, context: RunContext) -> SharedTraining | None:
        """What the run has in common with those before it and after it; None for a training of its own."""
        training = training_of(spec) if context.shares_training else None
        if training is None:
            return None
        key = training, context.model_copy(update={"eval_batch": 1})
        return self._shared if self._shared is not None and self._shared.key == key else SharedTraining(key)


def run_experiment(spec: ExperimentSpec, context: RunContext) -> tuple[RunRecord, list[Predictions]]:
    """Carry out one run; returns its record and the predictions of each evaluation split in the order of the scores.

    In base-to-new, these are followed by the predictions of base and new images among all names, for the open score.

    The same spec gives bit-identical scores and predictions on one machine, in any order of runs.

    Raises:
        StaleSpecError: if the data on disk have changed since the spec was planned.
        BenchError: if data or weights cannot be used, or training diverges.
    """
    return ProcessRunner().run_experiment(spec, context)


def run_and_keep(spec: ExperimentSpec, context: RunContext) -> tuple[RunRecord, list[Predictions], bytes | BenchError]:
    """`run_experiment`, and the content of the run's model file or the reason why the method cannot be stored."""
    return ProcessRunner().run_and_keep(spec, context)


class PreparedRun:
    """A run before its training: its data, and its method after `prepare`.

    Args:
        together: number of runs that train together.
        first: the first of these runs; None for itself.

    Attributes:
        images: those of the training batches.
    """

    def __init__(self, spec: ExperimentSpec, context: RunContext, together: int = 1, first: Self | None = None) -> None:
        self.spec, self.context = spec, context
        self.inputs = inputs = shared_inputs(spec.backbone, context, Precision(spec.precision))
        self.task = load_task(spec, context)
        self.image_list = splits_of_run(spec.dataset, context).image_list  # of the splits that the task is from
        self.meter: CostMeter = CostMeter(inputs.backbone, together, first.meter if first else None)
        check_stored_facts(spec.method)
        method_class = get_method(spec.method)
        config = method_class.info.config.model_validate(spec.config).for_dataset(spec.dataset, spec.shots)
        self.method: Method[Any] = method_class(inputs.backbone, config, _generator(spec.seed, "init"))
        self.images = shown_in_training(self.task) if self.method.info.trains_on_pool else self.task.support
        view = self.support_view(self.task.support, self.task.pool)
        if spec.teacher is not None:
            teacher = load_teacher(spec, context, self.task, inputs)
            view = replace(view, teacher=lambda: teacher)
        with self.meter.phase("prepare"), memory_advice(spec, "preparing"):
            self.method.prepare(view)
            self.method.check_prepared()

    def support_view(self, part: SupportSet, pool: UnlabelledImages | None = None) -> SupportView:
        """What the method may see of a support set, and of the unlabelled pool."""
        spec = self.spec
        return self.inputs.support_view(part, shots=spec.shots - spec.held_out_shot, seed=spec.seed, pool=pool)


def shown_in_training(task: FewShotTask) -> SupportSet:
    """The images of the pool and of the support set, all with the label -1, for a method that trains on the pool."""
    assert task.pool is not None  # plans refuse a method that trains on the pool without one
    keys = (*task.pool.keys, *(sample.key for sample in task.support.samples))
    return SupportSet(task.support.images, tuple(Sample(key, -1) for key in keys), task.support.classes)


@dataclass
class SharedTraining:
    """What the runs of one training have in common; each is prepared and evaluated by itself.

    Args:
        key: the training of all of these runs, and their context apart from the test images per batch.
        end: from which all of these runs but the first begin.
    """

    key: tuple[str, RunContext]
    end: TrainingEnd = field(default_factory=TrainingEnd)
    _images: tuple[object, SharedImages] | None = field(default=None, init=False)

    def images(self, run: PreparedRun, epoch: int | None) -> SharedImages | None:
        """The features of test images of a run with that selected epoch; those of the last kind are kept.

        None if each setting after the training changes them, so that no other run has the same.
        """
        if "scores" not in run.method.info.after_training.values():
            return None
        kind = image_features_of(run.spec), epoch
        if self._images is None or self._images[0] != kind:
            self._images = kind, SharedImages(run.inputs.backbone)
        return self._images[1]


@dataclass(frozen=True)
class TrainedRun:
    """A run after its training.

    Args:
        progress: None for a method without gradient steps.
        earlier: cost of the earlier parts of an interrupted training, see `Checkpoint`.
        candidates: epochs to select from, if the run selects one.
        curve: copies along the training, if they are requested.
        shared: what it has in common with other runs of its training; None for a training of its own.
    """

    run: PreparedRun
    progress: Progress | None = None
    earlier: tuple[float, ...] = ()
    candidates: EpochCandidates | None = None
    curve: TrainingCurve | None = None
    shared: SharedTraining | None = None

    @classmethod
    def of(cls, run: PreparedRun, training: Training, progress: Progress, shared: SharedTraining | None = None) -> Self:
        """The run after `training` has reached `progress`."""
        earlier = training.checkpoint.earlier if training.checkpoint else ()
        candidates, curve = training.observers.get("copy"), training.observers.get("curve")
        assert candidates is None or isinstance(candidates, EpochCandidates)
        assert curve is None or isinstance(curve, TrainingCurve)
        return cls(run, progress, earlier, candidates, curve, shared)


def prepared_training(run: PreparedRun, end: TrainingEnd | None = None) -> Training:
    """The training of a prepared run, whose method is trainable; `end` as of a checkpoint."""
    spec, context, method = run.spec, run.context, run.method
    assert isinstance(method, TrainableMethod)
    recipe = Recipe.model_validate(spec.recipe).for_dataset(spec.dataset)
    checkpoint = _checkpoint(method, spec.run_id, context, run.meter, end)
    epochs = training_epochs(method, recipe, len(run.images), spec.shots)
    images = TrainingImages(run.inputs, run.images, method.info.needs, recipe, spec.seed, epochs)
    observers: dict[str, EpochObserver] = {}
    if spec.epoch_selection:
        observers["copy"] = EpochCandidates(method)
    if context.curve:
        # the last step before the training, since its clock starts here
        observers["curve"] = TrainingCurve(method, run.meter.clock)
    return Training(
        method, recipe, images.epoch, _generator(spec.seed, "shuffle"), checkpoint, observers, run.meter.counting
    )


def train_alone(run: PreparedRun, shared: SharedTraining | None = None) -> TrainedRun:
    """Train a prepared run, if its method takes gradient steps and no run has carried out its training before."""
    if not isinstance(run.method, TrainableMethod):
        return TrainedRun(run)
    end = shared.end if shared else None
    trained = end is not None and end.content is not None
    training = prepared_training(run, end)
    try:
        with run.meter.phase("train"), memory_advice(run.spec, "training"):
            progress = fit(n=len(run.images), shots=run.spec.shots, **training.alone())
    finally:  # a run that fails after the last step leaves the end to the others
        if end is not None and not trained:
            end.memory = run.meter.memory()
    if end is not None and trained:
        run.meter.include_training(end.memory)
    return TrainedRun.of(run, training, progress, shared)


def _trained_together(
    spec: ExperimentSpec, alongside: Sequence[ExperimentSpec], context: RunContext
) -> list[TrainedRun]:
    """The runs, trained as a stack; empty if they must train one by one."""
    try:
        return train_stack((spec, *alongside), context)
    except Exception as error:  # each run is repeated alone and then fails or succeeds by itself
        _LOG.warning("%d runs of %s train one by one: %s", 1 + len(alongside), spec.method, error)
        return []


def train_stack(specs: Sequence[ExperimentSpec], context: RunContext) -> list[TrainedRun]:
    """Prepare and train runs as a stack, in the order of `specs`; empty if they must train one by one.

    They must if their recipes or their numbers of images differ. Runs with a checkpoint resume alone.
    """
    folder = context.checkpoints
    if folder is not None:
        specs = [spec for spec in specs if spec is specs[0] or not (folder / f"{spec.run_id}.safetensors").exists()]
        if (folder / f"{specs[0].run_id}.safetensors").exists():
            return []
    runs: list[PreparedRun] = []
    for spec in specs:
        runs.append(PreparedRun(spec, context, len(specs), runs[0] if runs else None))
    n, method = len(runs[0].images), runs[0].method
    if len(runs) < 2 or not isinstance(method, TrainableMethod) or not can_stack(method.info):
        return []
    trainings = [prepared_training(run) for run in runs]
    if any(len(run.images) != n for run in runs) or any(t.recipe != trainings[0].recipe for t in trainings):
        return []
    start = own_clock()
    progress = fit_stack(trainings, n=n, shots=specs[0].shots)
    seconds = own_clock() - start
    for run in runs:
        run.meter.end_of_shared_training(seconds)
    return [TrainedRun.of(*each) for each in zip(runs, trainings, progress, strict=True)]


class _Evaluation:
    """The evaluation of a trained run. `eval_batch` is the number of test images per batch, halved as memory needs.

    `validation_logits` are those of the validation images, `(n, n_cls)`, if the run computed them.
    """

    def __init__(self, trained: TrainedRun) -> None:
        run = trained.run
        self.trained, self.spec, self.context, self.task = trained, run.spec, run.context, run.task
        self.run, self.method, self.inputs = run, run.method, run.inputs
        self.eval_batch = run.context.eval_batch
        self.validation_logits: Tensor | None = None
        self._oracle = trained.candidates if run.spec.epoch_selection == "oracle" else None
        self._kept: KeptFeatures | None = None
        self._logits: deque[Tensor] = deque(maxlen=1)

    def record(self) -> tuple[RunRecord, list[Predictions]]:
        """Select settings and epoch, evaluate, and create the record."""
        spec, task, trained, meter = self.spec, self.task, self.trained, self.run.meter
        selected_epoch = self._select()
        self._kept = self._kept_features(selected_epoch)
        with meter.phase("eval"):
            scored = self._in_halved_batches(lambda: [self._scored(split) for split in task.evals])

        # before prediction sets, the open score and the curve, which do not count as cost
        eval_batch = self.eval_batch
        cost = meter.cost(self.method, trained.progress, trained.earlier)
        scored[0] = self._with_sets(*scored[0])
        opened, open_predictions = self._open_score()
        record = RunRecord(
            run_id=spec.run_id,
            spec=spec,
            status=RunStatus.OK,
            scores=[score for score, _ in scored],
            open=opened,
            final_loss=trained.progress.loss if trained.progress and trained.progress.steps else None,
            selected_epoch=selected_epoch,
            curve=trained.curve.points(self._accuracies) if trained.curve else [],
            cost=cost,
            provenance=self._provenance(eval_batch),
            created_at=datetime.now(UTC),
            scores_version=SCORES_VERSION,
        )
        return record, [*(predictions for _, predictions in scored), *open_predictions]

    def _select(self) -> int | None:
        """Select settings and epoch on the validation images; returns the epoch, None if it was not selected there."""
        validation, candidates = self.task.validation, self.trained.candidates
        with self.run.meter.phase("select"):
            if self.method.info.needs_validation and len(validation):
                self.method.calibrate(self.run.support_view(validation))
            if candidates and self.spec.epoch_selection == "validation":
                return candidates.keep_best(partial(self._batches, validation), validation.labels)
        return None

    def _batches(self, part: EvalSplit | SupportSet, *, ahead: bool = True) -> Iterator[Batch]:
        """The images of a part in order, without labels."""
        return self.inputs.evaluation_batches(
            part.images, part.samples, self.method.info.needs, self.eval_batch, seed=self.spec.seed, ahead=ahead
        )

    def _shares_features(self) -> bool:
        """Whether the open score reads the features of the first pass; an oracle is charged for each pass."""
        chosen = self._oracle is not None or "oracle" in dict(self.method.config).values()
        return self._has_open_score and not chosen

    def _kept_features(self, epoch: int | None) -> KeptFeatures | None:
        """What is kept of test images: for a second pass of this run, and for other runs of its training."""
        shared = self.trained.shared if self._oracle is None else None
        images = None if shared is None else shared.images(self.run, epoch)
        return KeptFeatures() if images is None and self._shares_features() else images

    def _test_batches(self, part: EvalSplit) -> Iterator[Batch]:
        """The images of a split; what the method computes of them may be kept."""
        if self._kept is None:
            return self._batches(part)
        return self._kept.numbered(
            part.name, self.eval_batch, len(part), lambda reads: self._batches(part, ahead=reads)
        )

    def _scored(self, split: EvalSplit) -> tuple[Score, Predictions]:
        """Evaluate one split, in the order of the test stream if the method learns from it."""
        order = stream_order(len(split), self.spec.seed) if self.method.info.reads_test_stream else None
        keeps_logits = self._makes_sets and split is self.task.evals[0]
        shown = split if order is None else replace(split, samples=tuple(split.samples[i] for i in order.tolist()))
        return evaluate_split(
            self.method,
            split,
            partial(self._test_batches, shown),
            keep_branches=self.context.keep_branches,
            epochs=self._oracle,
            order=order,
            on_logits=self._logits.append if keeps_logits else lambda _: None,
        )

    @property
    def _makes_sets(self) -> bool:
        """Whether the run scores prediction sets, those of test images of the training classes."""
        if self.context.prediction_sets is None:
            return False
        return not why_no_promise(self.spec, self.method.info, self.task.validation)

    @torch.no_grad()
    def _with_sets(self, score: Score, item: Predictions) -> tuple[Score, Predictions]:
        """The score of the first split with its prediction sets, whose threshold the validation images set."""
        if not self._makes_sets or self.context.prediction_sets is None:
            return score, item
        part, test = self.task.validation, self._logits.pop()
        classify = self.method.classifier(part.classes)
        found = self._in_halved_batches(lambda: torch.cat([classify(batch).cpu() for batch in self._batches(part)]))
        self.validation_logits = found
        threshold = SetThreshold.of(label_scores(found, labels_of(part)), self.context.prediction_sets)
        return (score, item) if threshold is None else with_sets(score, item, test, threshold)

    def _accuracies(self) -> dict[str, float]:
        """The accuracy on each split, for a point of the curve."""
        return {split.name: plain_accuracy(self.method, split, self._batches(split)) for split in self.task.evals}

    def _provenance(self, eval_batch: int) -> Provenance:
        spec, context, task, backbone = self.spec, self.context, self.task, self.inputs.backbone
        return collect_provenance(
            method=spec.method,
            backbone_digest=backbone.digest,
            support_digests=[task.support.images.digest(sample.key) for sample in task.support.samples],
            true_labels=task.relabelled,
            unlabelled=task.pool,
            device=str(backbone.device),
            threads=context.threads,
            dataset_check=last_fingerprint(spec.dataset, context.data_root),
            eval_batch=eval_batch,
            gpu=gpu_facts(backbone.device),
        )

    @property
    def _has_open_score(self) -> bool:
        return self.spec.protocol is EvalProtocol.BASE_TO_NEW and self.spec.fold is None

    def _open_score(self) -> tuple[OpenScore | None, list[Predictions]]:
        """The open score of a base-to-new run with its predictions; None for other protocols and in a race."""
        if not self._has_open_score:
            return None, []
        base, new = self.task.evals
        return self._in_halved_batches(
            lambda: evaluate_open(self.method, base, new, self._test_batches, epochs=self._oracle)
        )

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
            if self._kept is not None:
                self._kept.clear()
            free_cached_memory(self.inputs.backbone.device)
            _LOG.warning("Memory ran out in the evaluation; it continues with batches of %d.", self.eval_batch)


def stream_order(n: int, seed: int) -> Tensor:
    """The order of the test stream for a method that learns from test images: positions `(n,)`, drawn by the seed."""
    return torch.randperm(n, generator=_generator(seed, "stream"))


def _generator(seed: int, purpose: str) -> torch.Generator:
    """A CPU generator for one purpose of a run's seed; each purpose has its own, so that they are independent."""
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def _checkpoint(
    method: TrainableMethod[Any], run_id: str, context: RunContext, meter: CostMeter, end: TrainingEnd | None
) -> Checkpoint | None:
    if context.checkpoints is None and end is None:
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
    path = context.checkpoints / f"{run_id}.safetensors" if context.checkpoints else None
    return Checkpoint(path, identity, context.checkpoint_seconds, meter=meter.reading, account=meter.account, end=end)
