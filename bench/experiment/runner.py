"""One run from its spec to its record. `Run` has the four steps in their order: draw, train, evaluate, record."""

from __future__ import annotations

import hashlib
import sys
import traceback
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch

from bench.context import RunContext
from bench.experiment.accelerator import (
    await_free_memory,
    device_arithmetic,
    gpu_facts,
    memory_advice,
)
from bench.experiment.checkpoints import Checkpoint, EpochCandidates, Progress
from bench.experiment.evaluation import EvaluatedImages, evaluate_open, evaluate_split
from bench.experiment.features.inputs import shared_inputs
from bench.experiment.features.training_images import TrainingImages
from bench.experiment.kept_models import kept_model
from bench.experiment.measured_difficulty import measure_difficulty
from bench.experiment.run_cost import CostMeter
from bench.experiment.task import load_task, read_splits
from bench.experiment.teacher import load_teacher
from bench.experiment.training_loop import fit, training_epochs
from bench.record import SCORES_VERSION, OpenScore, Predictions, RunError, RunRecord, RunStatus, Score
from bench.results import check_stored_facts, collect_provenance, source_digest
from bench.spec import ExperimentSpec
from datasets_registry import (
    BenchError,
    EvalProtocol,
    EvalSplit,
    Sample,
    SupportSet,
    UnlabelledImages,
    last_fingerprint,
)
from methods import Method, Precision, Recipe, SupportView, TrainableMethod, get_method

__all__ = ["failed_record", "measure_difficulty", "run_and_keep", "run_experiment"]


def run_experiment(spec: ExperimentSpec, context: RunContext) -> tuple[RunRecord, list[Predictions]]:
    """Carry out one run; returns its record and the predictions of each evaluation split in the order of the scores.

    In base-to-new, these are followed by the predictions of base and new images among all names, for the open score.

    The same spec gives bit-identical scores and predictions on one machine, in any order of runs.

    Raises:
        StaleSpecError: if the data on disk have changed since the spec was planned.
        BenchError: if data or weights cannot be used, or training diverges.
    """
    with device_arithmetic(context.device, Precision(spec.precision)):
        return Run(spec, context).finish()


def run_and_keep(spec: ExperimentSpec, context: RunContext) -> tuple[RunRecord, list[Predictions], bytes | BenchError]:
    """`run_experiment`, and the content of the run's model file or the reason why the method cannot be stored."""
    with device_arithmetic(context.device, Precision(spec.precision)):
        run = Run(spec, context)
        record, predictions = run.finish()
        try:
            model = kept_model(record, run.method, run.task, run.inputs, context, image_list=run.image_list)
            return record, predictions, model
        except BenchError as error:
            return record, predictions, error


class Run:
    """A run in progress, which begins with its data and its method after `prepare`; `finish` does the rest.

    Attributes:
        images: those of the training batches.
        image_list: digest of the list of own images that the task is from; None for published datasets.
        progress: that of the training; None for a method without gradient steps.
        checkpoint: that of the training, if there is one.
        candidates: epochs to select from, if the run selects one.
        evaluated: the images of the evaluation in batches.
    """

    def __init__(self, spec: ExperimentSpec, context: RunContext) -> None:
        self.spec, self.context = spec, context
        torch.set_num_threads(context.threads)
        await_free_memory(context.device)
        self.inputs = inputs = shared_inputs(spec.backbone, context, Precision(spec.precision))
        self.task = load_task(spec, context)
        self.image_list = read_splits(spec.dataset, context.data_root).image_list
        self.meter = CostMeter(inputs.backbone)
        check_stored_facts(spec.method)
        method_class = get_method(spec.method)
        config = method_class.info.config.model_validate(spec.config).for_dataset(spec.dataset, spec.shots)
        self.method: Method[Any] = method_class(inputs.backbone, config, _generator(spec.seed, "init"))
        self.images = support = self.task.support
        if self.method.info.trains_on_pool:
            assert self.task.pool is not None  # plans refuse such a method without one
            keys = (*self.task.pool.keys, *(sample.key for sample in support.samples))
            self.images = SupportSet(support.images, tuple(Sample(key, -1) for key in keys), support.classes)
        self.progress: Progress | None = None
        self.checkpoint: Checkpoint | None = None
        self.candidates: EpochCandidates | None = None
        self.evaluated = EvaluatedImages(inputs, self.method, context.eval_batch, spec.seed)
        view = self.support_view(support, self.task.pool)
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

    def finish(self) -> tuple[RunRecord, list[Predictions]]:
        """Train, evaluate and record; returns what `run_experiment` does."""
        if isinstance(self.method, TrainableMethod):
            self.train(self.method)
        selected_epoch = self.select()
        return self.record(selected_epoch, self.evaluate())

    def train(self, method: TrainableMethod[Any]) -> None:
        """Train the prepared method, from its checkpoint if there is one."""
        spec, context = self.spec, self.context
        recipe = Recipe.model_validate(spec.recipe).for_dataset(spec.dataset)
        if context.checkpoints is not None:
            self.checkpoint = Checkpoint(
                context.checkpoints / f"{spec.run_id}.safetensors",
                identity={
                    "run_id": spec.run_id,
                    "method": source_digest(type(method)),
                    "version": str(method.info.version),
                    "backbone": method.backbone.digest,
                    "torch": torch.__version__,
                    "device": method.backbone.device.type,
                },
                seconds=context.checkpoint_seconds,
                meter=self.meter,
            )
        epochs = training_epochs(method, recipe, len(self.images), spec.shots)
        images = TrainingImages(self.inputs, self.images, method.info.needs, recipe, spec.seed, epochs)
        self.candidates = EpochCandidates(method) if spec.epoch_selection else None
        with self.meter.phase("train"), memory_advice(spec, "training"):
            self.progress = fit(
                method,
                recipe,
                n=len(self.images),
                shots=spec.shots,
                batches_of=images.epoch,
                generator=_generator(spec.seed, "shuffle"),
                checkpoint=self.checkpoint,
                candidates=self.candidates,
            )

    def select(self) -> int | None:
        """Select settings and epoch on the validation images; returns the epoch, None if it was not selected there."""
        validation = self.task.validation
        with self.meter.phase("select"):
            if self.method.info.needs_validation and len(validation):
                self.method.calibrate(self.support_view(validation))
            if self.candidates and self.spec.epoch_selection == "validation":
                return self.candidates.keep_best(partial(self.evaluated.batches, validation), validation.labels)
        return None

    def evaluate(self) -> list[tuple[Score, Predictions]]:
        """Score the evaluation splits."""
        # what the open score reads of this pass; an oracle is charged for each pass
        chosen = self._oracle is not None or "oracle" in dict(self.method.config).values()
        self.evaluated.keeps = self._has_open_score and not chosen
        with self.meter.phase("eval"):
            return self.evaluated.halved(lambda: [self._scored(split) for split in self.task.evals])

    def _scored(self, split: EvalSplit) -> tuple[Score, Predictions]:
        """Evaluate one split, in the order of the test stream if the method learns from it."""
        order, streamed = None, split
        if self.method.info.reads_test_stream:
            order = torch.randperm(len(split), generator=_generator(self.spec.seed, "stream"))
            streamed = replace(split, samples=tuple(split.samples[i] for i in order.tolist()))
        batches = partial(self.evaluated.of_split, streamed)
        return evaluate_split(self.method, split, batches, epochs=self._oracle, order=order)

    def evaluate_open(self) -> tuple[OpenScore | None, list[Predictions]]:
        """The open score of a base-to-new run with its predictions; None for other protocols and in a race."""
        if not self._has_open_score:
            return None, []
        base, new = self.task.evals
        return self.evaluated.halved(
            lambda: evaluate_open(self.method, base, new, self.evaluated.of_split, epochs=self._oracle)
        )

    def record(
        self, selected_epoch: int | None, scored: list[tuple[Score, Predictions]]
    ) -> tuple[RunRecord, list[Predictions]]:
        """The record of the evaluated run, with its open score, and the predictions of both."""
        # before the open score, which does not count as cost
        eval_batch = self.evaluated.size
        steps = self.progress.steps if self.progress else None
        cost = self.meter.cost(self.method, steps, self.checkpoint.earlier if self.checkpoint else ())
        opened, open_predictions = self.evaluate_open()
        spec, context, task, backbone = self.spec, self.context, self.task, self.inputs.backbone
        record = RunRecord(
            run_id=spec.run_id,
            spec=spec,
            status=RunStatus.OK,
            scores=[score for score, _ in scored],
            open=opened,
            final_loss=self.progress.loss if self.progress and steps else None,
            selected_epoch=selected_epoch,
            cost=cost,
            provenance=collect_provenance(
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
            ),
            created_at=datetime.now(UTC),
            scores_version=SCORES_VERSION,
        )
        return record, [*(predictions for _, predictions in scored), *open_predictions]

    @property
    def _has_open_score(self) -> bool:
        return self.spec.protocol is EvalProtocol.BASE_TO_NEW and self.spec.fold is None

    @property
    def _oracle(self) -> EpochCandidates | None:
        """The epochs that are selected with test labels."""
        return self.candidates if self.spec.epoch_selection == "oracle" else None


def _generator(seed: int, purpose: str) -> torch.Generator:
    """A CPU generator for one purpose of a run's seed; each purpose has its own, so that they are independent."""
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def failed_record(spec: ExperimentSpec, error: BaseException, context: RunContext) -> RunRecord:
    """The record of a run that raised an error: the error's kind, message and traceback.

    The message of a mistake in the method's code also has the innermost line of its files.
    """
    message = str(error) or type(error).__name__
    if not isinstance(error, BenchError):
        modules = {base.__module__ for base in get_method(spec.method).__mro__}
        files = {
            getattr(sys.modules.get(module), "__file__", None)
            for module in modules
            if not module.startswith("methods._")
        }
        if lines := [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in files]:
            message += f" ({Path(lines[-1].filename).name}:{lines[-1].lineno})"
    trace = "".join(traceback.format_exception(error))
    return RunRecord(
        run_id=spec.run_id,
        spec=spec,
        status=RunStatus.FAILED,
        provenance=collect_provenance(
            method=spec.method, backbone_digest="", support_digests=[], device=context.device, threads=context.threads
        ),
        error=RunError(kind=type(error).__name__, message=message, traceback=trace),
        created_at=datetime.now(UTC),
    )
