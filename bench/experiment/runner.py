"""One run from its spec to its record: the function that lists the stages in order."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from bench.context import RunContext
from bench.experiment.checkpoints import Checkpoint
from bench.experiment.curve import TrainingCurve
from bench.experiment.epoch_selection import EpochCandidates
from bench.experiment.evaluation import evaluate, plain_accuracy
from bench.experiment.features.budget import Budget
from bench.experiment.features.frozen_texts import FrozenTexts
from bench.experiment.features.hidden_states import HiddenStates
from bench.experiment.features.image_features import FeatureStore
from bench.experiment.features.inputs import Inputs
from bench.experiment.features.views import CENTER_VIEW, views_for_epoch
from bench.experiment.peak_memory import peak_memory, reset_peak_memory
from bench.experiment.seeding import stream
from bench.experiment.task import load_task, read_splits
from bench.experiment.training_loop import FitResult, fit
from bench.metrics import difficulty_measures
from bench.provenance import environment as provenance
from bench.provenance.source_digest import machinery_digest, source_digest
from bench.record import Cost, DifficultyRecord, Predictions, RunError, RunRecord, RunStatus, Score
from bench.spec import ExperimentSpec
from datasets_registry import (
    ClassSet,
    FewShotTask,
    Sample,
    SupportSet,
    class_halves,
    eval_fingerprint,
    get_dataset,
    last_fingerprint,
    select_classes,
)
from methods import (
    Backbone,
    BackboneSpec,
    Batch,
    Method,
    Precision,
    Recipe,
    SupportView,
    TrainableMethod,
    get_method,
    load_backbone,
    parse_backbone,
)

T = TypeVar("T")


def run_experiment(spec: ExperimentSpec, context: RunContext) -> tuple[RunRecord, list[Predictions]]:
    """Answer one spec. The same spec gives bit-identical scores and predictions on one machine, in any order of runs.

    Raises:
        StaleSpecError: if the data on disk are no longer those that the spec was planned for.
        BenchError: whatever data, weights, or training refuse.
    """
    torch.set_num_threads(context.threads)
    clock = _Clock()
    inputs = shared_inputs(spec.backbone, context, Precision(spec.precision))
    backbone = inputs.backbone
    task = load_task(spec, context)
    before = _passes(backbone)
    reset_peak_memory(backbone.device)

    method_class = get_method(spec.method)
    config = method_class.info.config.model_validate(spec.config)
    method = method_class(backbone, config, stream(spec.seed, "init"))
    clock.time("prepare", lambda: method.prepare(_support_view(task, inputs)))
    checkpoint = _checkpoint(method, spec, context, backbone)
    choice = EpochCandidates(method) if spec.epoch_selection and isinstance(method, TrainableMethod) else None
    curve = TrainingCurve(method) if context.curve and isinstance(method, TrainableMethod) else None
    trained = clock.time("train", lambda: _train(method, spec, task, inputs, checkpoint, choice, curve))
    selected = clock.time("select", lambda: _select(method, spec, task, inputs, context, choice))
    oracle = choice if spec.epoch_selection == "oracle" else None
    scored = clock.time(
        "eval", lambda: [_evaluate(method, task, name, inputs, context, oracle) for name in _split_names(task)]
    )

    after, peak = _passes(backbone), peak_memory(backbone.device)  # what a curve costs is no part of the run's cost
    along = curve.points(lambda: _accuracies(method, task, inputs, context)) if curve else []
    earlier = _Spent(*checkpoint.earlier) if checkpoint else _Spent()
    record = RunRecord(
        run_id=spec.run_id,
        spec=spec,
        status=RunStatus.OK,
        scores=[score for score, _ in scored],
        final_loss=trained.final_loss if trained else None,
        selected_epoch=selected,
        curve=along,
        cost=Cost(
            trainable_parameters=method.learned_parameters(),
            prepare_seconds=clock.seconds["prepare"],
            train_seconds=earlier.seconds + clock.seconds["train"] + clock.seconds["select"],
            eval_seconds=clock.seconds["eval"],
            steps=trained.steps if trained else 0,
            peak_memory_bytes=peak,
            image_passes=float(earlier.image_passes + after[0] - before[0]),
            prompted_image_passes=float(earlier.prompted_image_passes + after[1] - before[1]),
            text_passes=float(earlier.text_passes + after[2] - before[2]),
            fits=method.tuning.fits + (trained is not None),
            candidate_evaluations=method.tuning.evaluations,
            tuning_seconds=method.tuning.seconds + clock.seconds["select"],
        ),
        provenance=provenance.collect(
            method=spec.method,
            backbone_digest=backbone.digest,
            support_digests=[task.support.images.digest(sample.key) for sample in task.support.samples],
            device=str(backbone.device),
            threads=context.threads,
            dataset_check=last_fingerprint(spec.dataset, context.data_root),
            eval_batch=context.eval_batch,
        ),
        created_at=datetime.now(UTC),
    )
    return record, [predictions for _, predictions in scored]


def failed_record(spec: ExperimentSpec, error: BaseException, context: RunContext) -> RunRecord:
    """The answer of a run that could not be finished: why, and where it was raised."""
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


def measure_difficulty(backbone: str, dataset: str, context: RunContext) -> list[DifficultyRecord]:
    """How hard a dataset's test split is for a backbone: over all classes, and over the base and the new half.

    Always in fp32, so that a difficulty does not depend on the runs it explains.
    """
    torch.set_num_threads(context.threads)
    inputs = shared_inputs(backbone, context)
    info = get_dataset(dataset)
    splits = read_splits(dataset, context.data_root)
    features = inputs.features(splits.images, splits.test, CENTER_VIEW)
    n = len(splits.class_names)
    base, new = class_halves(n)
    records = []
    for name, labels in {"all": range(n), "base": base, "new": new}.items():
        classes = ClassSet(tuple(splits.class_names[label] for label in labels), info.template)
        kept = select_classes(splits.test, labels)
        rows = _positions(splits.test, set(labels))
        measures = difficulty_measures(
            features[rows].cpu().numpy(),
            [sample.label for sample in kept],
            inputs.backbone.class_texts(classes, info.template).cpu().numpy(),
            inputs.backbone.logit_scale,
        )
        records.append(
            DifficultyRecord(
                backbone=inputs.backbone.slug,
                backbone_digest=inputs.backbone.digest,
                dataset=dataset,
                data_fingerprint=eval_fingerprint(splits, info),
                split=name,
                n_classes=len(classes),
                n_images=len(kept),
                measures=measures,
                created_at=datetime.now(UTC),
            )
        )
    return records


@lru_cache(maxsize=2)
def _inputs(
    spec: BackboneSpec,
    device: str,
    precision: Precision,
    cache_dir: Path | None,
    cache_limit: int,
    hidden_limit: int,
) -> Inputs:
    backbone = load_backbone(spec, device=device, precision=precision)
    budget = None if cache_dir is None else Budget(cache_dir, cache_limit)
    backbone.text_memory = FrozenTexts(backbone.digest, cache_dir, precision, budget=budget)
    hidden = partial(HiddenStates, backbone, folder=cache_dir, limit=hidden_limit, precision=precision, budget=budget)
    return Inputs(backbone, FeatureStore(backbone, cache_dir, precision, budget=budget), hidden)


def shared_inputs(slug: str, context: RunContext, precision: Precision = Precision.FP32) -> Inputs:
    """Backbone, features and rendered views, loaded once in this process."""
    path = context.weights.get(slug)
    spec = parse_backbone(slug if path is None else f"{slug.partition('.')[0]}={path}")
    return _inputs(spec, context.device, precision, context.cache_dir, context.cache_limit, context.hidden_bytes)


def _support_view(task: FewShotTask, inputs: Inputs, images: SupportSet | None = None) -> SupportView:
    support = images or task.support
    labels = torch.tensor(support.labels, dtype=torch.long, device=inputs.backbone.device)
    features = partial(inputs.features, support.images, support.samples)

    def views(k: int, crop_scale: tuple[float, float]) -> Tensor:
        cycled = Recipe(views=k, crop_scale=crop_scale)
        return torch.stack([features(views_for_epoch(cycled, task.seed, i)) for i in range(k)])

    return SupportView(support.classes, labels, task.shots, partial(features, CENTER_VIEW), views)


def _train(
    method: Method[Any],
    spec: ExperimentSpec,
    task: FewShotTask,
    inputs: Inputs,
    checkpoint: Checkpoint | None,
    choice: EpochCandidates | None,
    curve: TrainingCurve | None,
) -> FitResult | None:
    if not isinstance(method, TrainableMethod):
        return None
    recipe = Recipe.model_validate(spec.recipe)
    support, needs = task.support, method.info.needs

    def batches_of(epoch: int) -> Callable[[Tensor], Batch]:
        # the other view is the next epoch's: as random, and wanted anyway
        view, other = (views_for_epoch(recipe, spec.seed, e) for e in (epoch, epoch + 1))
        return inputs.training_batches(support.images, support.samples, needs, view, other, again=recipe.repeats_views)

    return fit(
        method,
        recipe,
        n=len(support),
        shots=task.shots,
        batches_of=batches_of,
        generator=stream(spec.seed, "shuffle"),
        checkpoint=checkpoint,
        choice=choice,
        curve=curve,
    )


def _select(
    method: Method[Any],
    spec: ExperimentSpec,
    task: FewShotTask,
    inputs: Inputs,
    context: RunContext,
    choice: EpochCandidates | None,
) -> int | None:
    """Let the few validation images choose what the method leaves open, or the epoch; gives the epoch chosen."""
    if method.info.needs_validation:
        method.calibrate(_support_view(task, inputs, task.validation))
    if choice is None or spec.epoch_selection != "validation":
        return None
    few, needs = task.validation, method.info.needs
    return choice.keep_best(
        lambda: inputs.evaluation_batches(few.images, few.samples, needs, context.eval_batch),
        torch.tensor(few.labels, dtype=torch.long),
    )


def _evaluate(
    method: Method[Any],
    task: FewShotTask,
    name: str,
    inputs: Inputs,
    context: RunContext,
    epochs: EpochCandidates | None,
) -> tuple[Score, Predictions]:
    split = task.eval(name)
    needs = method.info.needs
    return evaluate(
        method,
        split,
        lambda: inputs.evaluation_batches(split.images, split.samples, needs, context.eval_batch),
        keep_branches=context.keep_branches,
        epochs=epochs,
    )


def _accuracies(method: Method[Any], task: FewShotTask, inputs: Inputs, context: RunContext) -> dict[str, float]:
    """Accuracy on every split of the method as it is."""
    needs = method.info.needs
    return {
        split.name: plain_accuracy(
            method, split, inputs.evaluation_batches(split.images, split.samples, needs, context.eval_batch)
        )
        for split in task.evals
    }


def _checkpoint(
    method: Method[Any], spec: ExperimentSpec, context: RunContext, backbone: Backbone
) -> Checkpoint | None:
    if context.checkpoints is None or not isinstance(method, TrainableMethod):
        return None
    identity = {
        "run_id": spec.run_id,
        "method": source_digest(type(method)),
        "machinery": machinery_digest(type(method)),
        "backbone": backbone.digest,
        "torch": torch.__version__,
        "device": backbone.device.type,
        "curve": str(context.curve),
    }
    return Checkpoint(
        context.checkpoints / f"{spec.run_id}.safetensors",
        identity,
        context.checkpoint_seconds,
        meter=lambda: (time.perf_counter(), *map(float, _passes(backbone))),
    )


def _split_names(task: FewShotTask) -> list[str]:
    return [split.name for split in task.evals]


def _positions(samples: tuple[Sample, ...], labels: set[int]) -> list[int]:
    return [i for i, sample in enumerate(samples) if sample.label in labels]


def _passes(backbone: Backbone) -> tuple[Fraction, Fraction, Fraction]:
    return backbone.passes.image, backbone.passes.prompted_image, backbone.passes.text


@dataclass(frozen=True)
class _Spent:
    """What earlier parts of a training that was cut off have cost."""

    seconds: float = 0.0
    image_passes: float = 0
    prompted_image_passes: float = 0
    text_passes: float = 0


@dataclass
class _Clock:
    """Wall seconds by phase; on CUDA each phase ends with a synchronisation."""

    seconds: dict[str, float] = field(default_factory=dict)

    def time(self, phase: str, work: Callable[[], T]) -> T:
        start = time.perf_counter()
        result = work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.seconds[phase] = time.perf_counter() - start
        return result
