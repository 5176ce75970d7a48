"""From axes to specs: resolves names, validates settings and rejects impossible combinations. Loads no weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench._util.words import counted
from bench.bounds import MOST_RUNS
from bench.errors import UsageError
from bench.experiment import TeacherFile, read_splits
from bench.results import known_methods, settled_recipe
from bench.spec import ExperimentSpec
from bench.sweep.axes import check_axes, selected_datasets
from bench.sweep.compatibility import Rejection, Rejections
from bench.sweep.inputs import backbones_of, class_text_of, support_lists, teacher_of
from bench.sweep.method_settings import MethodVariants, SelectedMethod, requested_methods
from bench.sweep.request import SweepRequest
from bench.sweep.task_factory import OutlinedTask, OutlineFactory, SupportChoice, TaskFactory
from datasets_registry import DatasetInfo, DatasetSplits, FewShotTask, get_dataset

if TYPE_CHECKING:
    from methods import BackboneSpec, ClassText


@dataclass(frozen=True)
class Expansion:
    """The specs of a sweep, and the impossible combinations that are left out."""

    specs: tuple[ExperimentSpec, ...]
    rejected: tuple[Rejection, ...]
    without_difficulty: frozenset[str] = frozenset()
    """Backbones that cannot encode class names, by which a difficulty is measured."""
    short: Mapping[tuple[str, int], Mapping[str, int]] = field(default_factory=dict)
    """For a dataset and a number of shots: the training images of each class with fewer, all of which are drawn."""
    splits: Mapping[str, DatasetSplits | None] = field(default_factory=dict)
    """The data that were read, by dataset; None for those that cannot be read."""


LARGE_PLAN = 1000
"""Runs from which on a plan says how many it may have before it makes them."""
SECONDS_BETWEEN_LINES = 5.0


def expand(request: SweepRequest, say: Callable[[str], None] = lambda _: None) -> Expansion:
    """All distinct specs of a sweep, in the order of the request. `say` receives the progress of a large plan.

    A zero-shot run depends neither on shots nor on seed. There is one per backbone, dataset and protocol, with 0 shots
    and seed 0. A test-time run has 0 shots and the seed of its stream.

    Raises:
        UnknownNameError: an unregistered name.
        UsageError: a setting that does not exist or a value it does not take, an empty or repeated axis, or too many
            runs.
        WeightsError: a file of weights that is not there.
        ImpossibleCombinationError: nothing can run, or something needed cannot.
    """
    read_splits.cache_clear()  # own images may have changed since the last plan
    methods, backbones, datasets = _named(request)
    lists = support_lists(request)
    most = check_number(request, methods, backbones=len(backbones), datasets=len(datasets), lists=len(lists))
    if most >= LARGE_PLAN:
        say(f"planning up to {most:,} runs")
    chosen = [item for method in methods for item in method.selected(request)]
    factory = TaskFactory(request, class_text_of(request), lists, Rejections(), _Progress(say))
    specs, rejections = _specs(factory, chosen, backbones, datasets), factory.rejections
    rejections.check(nothing_left=not specs)
    without_difficulty = _reject_difficulties(specs.values(), backbones, rejections)
    return Expansion(tuple(specs.values()), rejections.all(), without_difficulty, factory.short, factory.read)


def _named(request: SweepRequest) -> tuple[list[MethodVariants], list[BackboneSpec], dict[str, bool]]:
    """The methods, backbones and datasets of a request, the latter with whether they are requested by name."""
    check_axes(request)
    return requested_methods(request), backbones_of(request.backbones), selected_datasets(request)


def _specs(
    factory: TaskFactory,
    chosen: Sequence[SelectedMethod],
    backbones: Sequence[BackboneSpec],
    datasets: Mapping[str, bool],
) -> dict[str, ExperimentSpec]:
    """The distinct specs by run id; what is impossible is a rejection of the factory."""
    request = factory.request
    _check_inputs_are_used(request, chosen)
    expander = _Expander(request, factory.class_text, teacher_of(request), factory.rejections)
    for item in chosen:
        expander.check_method(item)
    specs: dict[str, ExperimentSpec] = {}
    for name, named in datasets.items():
        targets = factory.targets(name)
        choices = factory.support_choices(
            name,
            zero_shot=any(item.zero_shot for item in chosen),
            trained=not all(item.zero_shot or item.facts.needs_pool for item in chosen),
            pooled=request.pool is not None and any(item.facts.needs_pool for item in chosen),
        )
        tasks = factory.tasks(get_dataset(name), targets, choices, named=named)
        for backbone in backbones:
            for item in chosen:
                for spec in expander.specs(item, backbone, name, targets, tasks):
                    specs.setdefault(spec.run_id, spec)
    return specs


def check_number(
    request: SweepRequest, methods: Sequence[MethodVariants], *, backbones: int, datasets: int, lists: int
) -> int:
    """The product of the axes, before any run is made; raises UsageError if it is more than `MOST_RUNS`."""
    shots, seeds, folds = len(request.shots), len(request.seeds), max(len(request.folds), 1)
    draws = shots * max(len(request.support_rules), 1) * folds + lists
    variants = sum(item.number for item in methods)
    most = backbones * datasets * sum(item.number * (folds if item.zero_shot else draws * seeds) for item in methods)
    if most > MOST_RUNS:
        what = "method" if variants == len(methods) else "variant"
        axes = ((variants, what), (datasets, "dataset"), (backbones, "backbone"), (seeds, "seed"))
        named = ", ".join(counted(number, noun) for number, noun in axes)
        raise UsageError(
            f"This sweep has up to {most:,} runs ({named}, {counted(shots, 'number')} of shots), more than "
            f"{MOST_RUNS:,}. Name fewer, or split it into several commands; runs in one folder add up."
        )
    return most


class _Progress:
    """Says every few seconds how many draws of a dataset are planned."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._said = say, time.monotonic()

    def __call__(self, dataset: str, done: int, total: int) -> None:
        if time.monotonic() - self._said >= SECONDS_BETWEEN_LINES:
            self._said = time.monotonic()
            self._say(f"planning {dataset}: {done:,} of {total:,} draws")


def _check_inputs_are_used(request: SweepRequest, chosen: Sequence[SelectedMethod]) -> None:
    """Raise UsageError if a pool or a teacher is given and no selected method learns from it."""
    for option, given, what, need in (
        ("--unlabelled", request.pool, "unlabelled images", "needs_pool"),
        ("--teacher", request.teacher, "a teacher", "needs_teacher"),
    ):
        if given is not None and not any(getattr(item.facts, need) for item in chosen):
            names = ", ".join(sorted(facts.name for facts in known_methods().infos() if getattr(facts, need)))
            raise UsageError(
                f"{option} {given} has no effect: no selected method learns from {what}. These methods do: "
                f"{names or 'none'}."
            )


def _reject_difficulties(
    specs: Iterable[ExperimentSpec], backbones: Sequence[BackboneSpec], rejections: Rejections
) -> frozenset[str]:
    """The backbones of these runs for which no difficulty can be measured; the reasons are rejections."""
    from bench.sweep.compatibility import text_conflict

    used, found = {spec.backbone for spec in specs}, set()
    for backbone in backbones:
        if backbone.slug in used and (reason := text_conflict(backbone)):
            rejections.add(f"difficulties for {backbone.slug}", reason, named=False)
            found.add(backbone.slug)
    return frozenset(found)


@dataclass(frozen=True)
class _Expander:
    """Makes the specs that methods, backbones and tasks allow, and rejects the rest."""

    request: SweepRequest
    class_text: ClassText | None
    teacher: TeacherFile | None
    rejections: Rejections

    def check_method(self, item: SelectedMethod) -> None:
        """Reject a method that cannot run in this protocol, with these class texts, or without a recipe."""
        from bench.sweep.compatibility import protocol_conflicts

        request = self.request
        reasons: list[str | None] = [
            *protocol_conflicts(item.facts, item.settings, item.recipe, request.protocol, request.pool)
        ]
        if self.class_text is not None and item.facts.learns_text and not item.facts.class_text_teacher:
            reasons.append(
                f"it learns its own text input, so --class-text {self.class_text.identity} has no effect; run it "
                f"without, or use a method with frozen class texts."
            )
        if item.facts.needs_teacher and self.teacher is None:
            reasons.append(
                "it learns from a tuned model, and the run names none; use --teacher FILE, a model that "
                "`run --keep-models` stored."
            )
        if item.facts.needs_teacher and self.class_text is not None:
            reasons.append(f"its class texts are those of its teacher; leave --class-text {request.class_text} out.")
        reasons.append(item.unselectable)
        for reason in filter(None, reasons):
            self.rejections.add(item.label, reason, named=item.named)

    def specs(
        self,
        item: SelectedMethod,
        backbone: BackboneSpec,
        dataset: str,
        targets: Sequence[str],
        tasks: Mapping[SupportChoice, FewShotTask | OutlinedTask],
    ) -> Iterable[ExperimentSpec]:
        """The specs of one method on one backbone and dataset, for all possible tasks."""
        if self.rejections.names(item.label):
            return
        info = get_dataset(dataset)
        what, reason = self._conflict(item, backbone, info)
        if reason is not None:
            self.rejections.add(what, reason, named=item.named)
            return
        teacher = self._teacher_of(item)
        for choice, task in tasks.items():
            if not item.trains_on(choice, self.request.seeds):
                continue
            if item.chooses_by_validation and not len(task.validation):
                self.rejections.add(f"{item.label} on {dataset}", _without_validation(item), named=item.named)
                return
            if teacher and isinstance(task, FewShotTask):
                why = teacher.task_conflict(task.support.classes.names, task.shots, choice.recorded)
                if why is not None:
                    self.rejections.add(f"{item.label} on {dataset} with {choice.text}", why, named=item.named)
                    continue
            spec = self._spec(
                item,
                backbone,
                info,
                targets,
                task_fingerprint=task.fingerprint,
                draw=task.draw,
                shots=task.shots,
                seed=task.seed,
                support=choice.recorded,
                allow_fewer=bool(task.short),
                fold=str(choice.fold) if choice.fold else None,
                held_out_shot=choice.held_out_shot,
                unlabelled=str(choice.pool) if choice.pool else None,
            )
            yield spec

    def _conflict(self, item: SelectedMethod, backbone: BackboneSpec, info: DatasetInfo) -> tuple[str, str | None]:
        """What cannot run on a backbone and dataset, and the reason; None if everything can."""
        from bench.sweep.compatibility import backbone_conflict, dataset_conflict, depth_conflict, settings_conflict

        what, reason = f"{info.name} on {backbone.slug}", dataset_conflict(info, backbone)
        if reason is None and self.class_text is not None and backbone.imported:
            what = f"{info.name} with --class-text {self.class_text.identity}"
            reason = "its class texts are imported features; leave --class-text out."
        if reason is None:
            what = f"{item.label} on {backbone.slug}"
            reason = backbone_conflict(item.facts, backbone, self.request.precision)
            reason = reason or depth_conflict(item.facts, item.settings, backbone)
            reason = reason or settings_conflict(item.facts, item.settings, backbone)
        if reason is None and (teacher := self._teacher_of(item)) is not None:
            what, reason = f"{item.label} on {info.name}", teacher.conflict(info.name, self.request.protocol)
        return what, reason

    def _teacher_of(self, item: SelectedMethod) -> TeacherFile | None:
        """The teacher of a method's runs; None for a method that needs none."""
        return self.teacher if item.facts.needs_teacher else None

    def _spec(
        self, item: SelectedMethod, backbone: BackboneSpec, info: DatasetInfo, targets: Sequence[str], **task: Any
    ) -> ExperimentSpec:
        """The spec of one run; `task` are the fields that its task decides."""
        teacher = self._teacher_of(item)
        return ExperimentSpec(
            method=item.facts.name,
            config=dict(item.settings.values),
            recipe=settled_recipe(item.recipe, task["shots"], info),
            backbone=backbone.slug,
            dataset=info.name,
            protocol=self.request.protocol,
            precision=self.request.precision,
            targets=tuple(targets),
            class_text=self.class_text.identity if self.class_text else None,
            epoch_selection=item.epoch_selection,
            teacher=teacher.identity if teacher else None,
            **task,
        )


def _without_validation(item: SelectedMethod) -> str:
    from methods import Selection, selection_rules

    others = [str(way) for way in selection_rules(item.facts) if way not in (Selection.VALIDATION, Selection.ORACLE)]
    what = "an epoch" if item.epoch_selection else "its settings"
    remedy = f"use --selection {' or '.join(others)}, or " if others else "use "
    return (
        f"there are no validation images of the training classes to choose {what}; {remedy}a support list that "
        f"names some."
    )


@dataclass(frozen=True)
class SweepOutline:
    """A sweep as if all of its data were there.

    Args:
        specs: of the first seed, each with an empty fingerprint of its task.
    """

    request: SweepRequest
    specs: tuple[ExperimentSpec, ...]


def outline_of(sweep: SweepRequest, *, unchecked: bool = False) -> SweepOutline:
    """The outline of a sweep, whose names are all known, and whose values are valid unless they are `unchecked`.

    Reads no data, so the runs of a sweep can be counted, estimated and looked up before anything is fetched. A dataset
    with fewer images than shots, support lists and folds are not known here.

    Raises as `expand` does for unknown names and wrong values.
    """
    request = sweep.model_copy(update={"seeds": sweep.seeds[:1], "folds": []})
    methods, backbones, datasets = _named(request)
    check_number(request, methods, backbones=len(backbones), datasets=len(datasets), lists=0)
    chosen = [item for method in methods for item in method.selected(request, unchecked=unchecked)]
    factory = OutlineFactory(request, class_text_of(request), (), Rejections())
    return SweepOutline(sweep, tuple(_specs(factory, chosen, backbones, datasets).values()))
