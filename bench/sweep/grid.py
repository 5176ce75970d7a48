"""The grid of a sweep: the product of its axes, with every name and setting resolved.

It reads no data and refuses no combination; `bench.sweep.rules` says which of its candidates can run.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bench._util.words import counted
from bench.bounds import MOST_RUNS
from bench.errors import UsageError
from bench.experiment import TeacherFile
from bench.results import add_method_file, known_methods, settled_recipe
from bench.spec import ALL_SHOTS, ExperimentSpec, shots_text
from bench.sweep.dataset_names import match_datasets, select_names
from bench.sweep.inputs import backbones_of, class_text_of, teacher_of
from bench.sweep.options import RecipeChoice
from bench.sweep.overrides import (
    Override,
    changed_recipe,
    check_overrides,
    overrides_of,
    parse_overrides,
    problems_named,
)
from bench.sweep.request import HOSO, SweepRequest
from datasets_registry import (
    DatasetInfo,
    DrawRule,
    EvalProtocol,
    FewShotTask,
    PoolRule,
    SupportList,
    SupportRule,
    get_dataset,
    held_out,
    read_support_list,
    recorded_draw,
)

if TYPE_CHECKING:
    from methods import BackboneSpec, CheckedSettings, ClassText, MethodFacts, MethodTraits, Recipe, SelectionRule

IMAGENET_VARIANTS = ("imagenet_v2", "imagenet_sketch", "imagenet_a", "imagenet_r")
"""Default targets of domain generalization."""


@dataclass(frozen=True)
class TaskChoice:
    """What a run learns from: a draw by shots and seed, or a list; what is held out, and what changes the draw."""

    shots: int
    seed: int
    support: SupportList | None = None
    fold: held_out.Fold | None = None
    rule: SupportRule | None = None
    held_out_shot: bool = False
    pool: PoolRule | None = None

    @property
    def text(self) -> str:
        """Shots and pool, for messages."""
        all_images = self.rule is not None and self.rule.kind == "all"
        shots = shots_text(ALL_SHOTS) if all_images else shots_text(self.shots)
        return f"{shots} and unlabelled {self.pool}" if self.pool else shots

    @property
    def recorded(self) -> str | None:
        """What a spec records of it besides shots and seed."""
        return self.support.digest if self.support else str(self.rule) if self.rule else None


@dataclass(frozen=True)
class Candidate:
    """A method with its settings, a backbone and a dataset, which the rules allow or refuse.

    Args:
        recipe: None for training-free methods, and in a protocol for which there is none.
        selection: the value of `--selection`; None for the method's own rule.
        named: whether the method was requested by name rather than by a pattern; `dataset_named` likewise.
        varied: its values of the settings with several values, such as `n_ctx=4`; empty if there are none.
        backbone: None, as for the dataset, if only the method is in question.
        targets: names of the datasets that are evaluated besides its own, sorted.
        unlisted: whether there are support lists, and none belongs to the dataset.
    """

    facts: MethodTraits
    settings: CheckedSettings
    protocol: EvalProtocol
    recipe: Recipe | None = None
    selection: str | None = None
    named: bool = False
    varied: str = ""
    pool: PoolRule | None = None
    precision: str = "fp32"
    class_text: ClassText | None = None
    teacher: TeacherFile | None = None
    backbone: BackboneSpec | None = None
    dataset: DatasetInfo | None = None
    dataset_named: bool = False
    targets: tuple[str, ...] = ()
    unlisted: bool = False

    @property
    def label(self) -> str:
        """The method, with its values of the settings that have several, as on a leaderboard."""
        return f"{self.facts.name} [{self.varied}]" if self.varied else self.facts.name

    @property
    def zero_shot(self) -> bool:
        """Whether the method depends on neither shots nor seed, and selects nothing."""
        return is_zero_shot(self.facts)

    @property
    def closed(self) -> bool:
        """Whether the method with these settings scores its training classes only."""
        return self.settings.closed_vocabulary or not self.facts.open_vocabulary

    @property
    def unseen(self) -> str:
        """What the protocol scores besides the training classes; empty for nothing."""
        if self.protocol in (EvalProtocol.FEW_SHOT, EvalProtocol.TEST_TIME):
            return ""
        return "new classes" if self.protocol is EvalProtocol.BASE_TO_NEW else "other datasets"

    @property
    def selections(self) -> dict[str, SelectionRule]:
        """The selection rules that the method supports."""
        return offered_selections(self.facts)

    @property
    def epoch_selection(self) -> Literal["validation", "oracle"] | None:
        """The images that choose the epoch; None if the last epoch is used."""
        rule = self.selections.get(self.selection) if self.selection else None
        if rule is None or not rule.by_epoch:
            return None
        return "oracle" if self.selection == "oracle" else "validation"

    @property
    def chooses_by_validation(self) -> bool:
        """Whether the validation images choose an epoch or a setting."""
        return self.facts.selects_on_validation(self.settings.values) or self.epoch_selection == "validation"


def published(facts: MethodTraits, protocol: EvalProtocol, **others: Any) -> Candidate:
    """A method with its published settings for a protocol."""
    return Candidate(facts, facts.settled(protocol), protocol, facts.recipe_for(protocol), **others)


@dataclass(frozen=True)
class Grid:
    """The axes of a sweep; iterating over it gives their product.

    Args:
        methods: candidates without backbone and dataset.
        datasets: with whether each was requested by name; `targets` likewise.
        lists: the support lists, which replace the draw.
        most: the number of runs, if all of them can run.
    """

    request: SweepRequest
    methods: tuple[Candidate, ...]
    backbones: tuple[BackboneSpec, ...]
    datasets: Mapping[str, bool]
    targets: Mapping[str, bool]
    lists: tuple[SupportList, ...]
    class_text: ClassText | None
    teacher: TeacherFile | None
    most: int

    def __iter__(self) -> Iterator[Candidate]:
        for name, is_named in self.datasets.items():
            dataset = get_dataset(name)
            targets = tuple(sorted(set(self.targets) - {name}))
            unlisted = bool(self.lists) and not self.request.support_rules and not self._lists_of(name)
            for backbone in self.backbones:
                for method in self.methods:
                    yield replace(
                        method,
                        backbone=backbone,
                        dataset=dataset,
                        dataset_named=is_named,
                        targets=targets,
                        unlisted=unlisted,
                    )

    @property
    def variants(self) -> Sequence[str]:
        """The variants of templates that the datasets have."""
        from methods import known_variants

        return known_variants([get_dataset(name) for name in (*self.datasets, *self.targets)])

    def choices(self, candidate: Candidate) -> list[TaskChoice]:
        """What the runs of a candidate learn from.

        A zero-shot run depends on neither shots nor seed, so there is one, with 0 shots and seed 0. A test-time run has
        0 shots and the seed of its stream.
        """
        request = self.request
        folds: list[held_out.Fold | None] = [held_out.Fold.parse(text) for text in request.folds] or [None]
        if candidate.zero_shot:
            return [TaskChoice(0, 0, fold=fold) for fold in folds]
        if request.protocol is EvalProtocol.TEST_TIME:
            return [TaskChoice(0, seed) for seed in request.seeds]
        pool = request.pool if candidate.facts.needs_pool else None
        plain = TaskChoice(0, 0, held_out_shot=request.selection == HOSO, pool=pool)
        all_rule = SupportRule("all")
        rules: list[SupportRule | None] = [*request.support_rules]
        if not rules and not self.lists:
            rules = [None]
        drawn = [
            replace(plain, seed=seed, fold=fold, rule=all_rule)
            if shots == ALL_SHOTS
            else replace(plain, shots=shots, seed=seed, fold=fold, rule=rule)
            for rule in rules
            for fold in folds
            for shots in request.shots
            for seed in request.seeds
        ]
        assert candidate.dataset is not None
        listed = [
            replace(plain, shots=item.shots, seed=seed, support=item)
            for item in self._lists_of(candidate.dataset.name)
            for seed in (request.seeds if item.seed is None else [item.seed])
        ]
        return drawn + listed

    def draw(self, candidate: Candidate, choice: TaskChoice) -> DrawRule:
        """The draw as a spec records it; raises DataError for one that the dataset cannot have."""
        assert candidate.dataset is not None
        return "file" if choice.support else recorded_draw(candidate.dataset, self.request.draw_rule)

    def spec(
        self, candidate: Candidate, choice: TaskChoice, task: FewShotTask | None, targets: Sequence[str]
    ) -> ExperimentSpec:
        """The spec of one run; without a task, as if its data were there, with an empty fingerprint."""
        assert candidate.backbone is not None
        assert candidate.dataset is not None
        teacher = self.teacher if candidate.facts.needs_teacher else None
        shots = choice.shots if task is None else task.shots
        return ExperimentSpec(
            method=candidate.facts.name,
            config=dict(candidate.settings.values),
            recipe=settled_recipe(candidate.recipe, shots, candidate.dataset),
            backbone=candidate.backbone.slug,
            dataset=candidate.dataset.name,
            task_fingerprint="" if task is None else task.fingerprint,
            draw=self.draw(candidate, choice),
            protocol=self.request.protocol,
            shots=shots,
            seed=choice.seed if task is None else task.seed,
            precision=self.request.precision,
            targets=tuple(targets),
            support=choice.recorded,
            class_text=self.class_text.identity if self.class_text else None,
            epoch_selection=candidate.epoch_selection,
            allow_fewer=task is not None and bool(task.short),
            fold=str(choice.fold) if choice.fold else None,
            held_out_shot=choice.held_out_shot,
            unlabelled=str(choice.pool) if choice.pool else None,
            teacher=teacher.identity if teacher else None,
        )

    def _lists_of(self, dataset: str) -> list[SupportList]:
        return [item for item in self.lists if item.dataset in (None, dataset)]


def match_methods(pattern: str) -> list[str]:
    """Names of the methods that a pattern selects, such as `coop`, `clip*` or the user's file `./my_method.py`."""
    return [add_method_file(Path(pattern))] if pattern.endswith(".py") else known_methods().match(pattern)


def grid(request: SweepRequest, *, unchecked: bool = False) -> Grid:
    """The grid of a request, whose values are checked unless they are `unchecked`.

    Raises:
        UnknownNameError: an unregistered name.
        UsageError: a setting that does not exist or a value it does not take.
        DataError: a file that is not a support list.
        UsageError: too many runs.
        WeightsError: a file of weights that is not there.
    """
    selected = select_names(request.methods, match_methods)
    methods = [known_methods().get(name) for name in selected]
    overrides = _overrides(request, methods)
    backbones, datasets = backbones_of(request.backbones), select_names(request.datasets, match_datasets)
    lists = tuple(map(read_support_list, request.supports))
    class_text, teacher = class_text_of(request), teacher_of(request)
    most = _most_runs(request, overrides, backbones=len(backbones), datasets=len(datasets), lists=len(lists))
    candidate = partial(
        Candidate,
        protocol=request.protocol,
        pool=request.pool,
        precision=request.precision,
        class_text=class_text,
        teacher=teacher,
    )
    variants = [
        variant
        for facts in methods
        for variant in _variants(
            partial(candidate, named=selected[facts.name]), facts, overrides[facts.name], request, unchecked=unchecked
        )
    ]
    targets = request.targets or IMAGENET_VARIANTS if request.protocol.transfers else ()
    return Grid(
        request,
        tuple(variants),
        tuple(backbones),
        datasets,
        select_names(targets, match_datasets),
        lists,
        class_text,
        teacher,
        most,
    )


def is_zero_shot(facts: MethodTraits) -> bool:
    """Whether a method is zero-shot."""
    return facts.family == "zero-shot"


def offered_selections(info: MethodTraits) -> dict[str, SelectionRule]:
    """The selection rules that a method supports, by the values of `--selection`.

    A method that can select with validation images can do so with one held out of the support set (`hoso`).
    """
    from methods import selection_rules

    rules = {str(selection): rule for selection, rule in selection_rules(info).items()}
    return rules | ({HOSO: rules["validation"]} if "validation" in rules else {})


def without_patterns(request: SweepRequest) -> SweepRequest:
    """The request with the names of methods, datasets and targets in place of patterns."""
    matches = {"methods": match_methods, "datasets": match_datasets, "targets": match_datasets}
    names = {field: list(select_names(getattr(request, field), match)) for field, match in matches.items()}
    return request.model_copy(update=names)


def _recipe(facts: MethodFacts, request: SweepRequest) -> Recipe | None:
    from methods import demo_recipe

    recipe = facts.recipe_for(request.protocol)
    return demo_recipe(recipe) if recipe and request.recipe is RecipeChoice.DEMO else recipe


def _overrides(request: SweepRequest, methods: Sequence[MethodFacts]) -> dict[str, list[Override]]:
    """The overrides of each method's settings and recipe; raises UsageError for a setting that does not exist."""
    parsed = parse_overrides(request.overrides)
    recipes = {facts.name: _recipe(facts, request) for facts in methods}
    fields = {name: list(type(recipe).model_fields) for name, recipe in recipes.items() if recipe is not None}
    settings = {facts.name: list(facts.settings) for facts in methods}
    check_overrides(parsed, settings, fields, {facts.name: list(facts.recipes) for facts in methods})
    of_settings = {name: overrides_of(name, keys, parsed, recipe=False) for name, keys in settings.items()}
    of_recipes = {name: overrides_of(name, keys, parsed, recipe=True) for name, keys in fields.items()}
    return {name: [*of_settings[name].values(), *of_recipes.get(name, {}).values()] for name in of_settings}


def _most_runs(
    request: SweepRequest, overrides: Mapping[str, Sequence[Override]], *, backbones: int, datasets: int, lists: int
) -> int:
    """The product of the axes, before any variant is made; raises UsageError if it is more than `MOST_RUNS`."""
    shots, seeds, folds = len(request.shots), len(request.seeds), max(len(request.folds), 1)
    draws = shots * max(len(request.support_rules), 1) * folds + lists
    variants = {name: math.prod(len(item.values) for item in of_method) for name, of_method in overrides.items()}
    runs = {name: folds if is_zero_shot(known_methods().get(name)) else draws * seeds for name in variants}
    most = backbones * datasets * sum(variants[name] * runs[name] for name in variants)
    if most > MOST_RUNS:
        number = sum(variants.values())
        what = "method" if number == len(variants) else "variant"
        axes = ((number, what), (datasets, "dataset"), (backbones, "backbone"), (seeds, "seed"))
        axes_text = ", ".join(counted(number, noun) for number, noun in axes)
        raise UsageError(
            f"This sweep has up to {most:,} runs ({axes_text}, {counted(shots, 'number')} of shots), more than "
            f"{MOST_RUNS:,}. Name fewer, or split it into several commands; runs in one folder add up."
        )
    return most


def _variants(
    candidate: Callable[..., Candidate],
    facts: MethodFacts,
    overrides: Sequence[Override],
    request: SweepRequest,
    *,
    unchecked: bool,
) -> Iterator[Candidate]:
    """A method with each combination of the values of its overrides, made by `candidate`.

    Raises UsageError for an invalid value.

    Where the selection rule is also a method setting, both spellings are the same run. A method that checks values is
    imported.
    """
    selection = None if is_zero_shot(facts) else request.selection
    rule = offered_selections(facts).get(selection) if selection else None
    of_config, of_recipe = ([item for item in overrides if item.recipe is kind] for kind in (False, True))
    for values in itertools.product(*(item.values for item in overrides)):
        assigned = list(zip(overrides, values, strict=True))
        changes = {item.key: value for item, value in assigned if not item.recipe}
        with problems_named(facts.name, of_config):
            settled = facts.settled if changes and not unchecked else facts.unchecked
            settings = settled(request.protocol, {**(rule.settings if rule else {}), **changes})
        recipe, recipe_changes = _recipe(facts, request), {item.key: value for item, value in assigned if item.recipe}
        if recipe is not None:
            recipe = changed_recipe(facts.name, recipe, recipe_changes, of_recipe)
        varied = [
            f"{'recipe.' if item.recipe else ''}{item.key}={value}" for item, value in assigned if len(item.values) > 1
        ]
        yield candidate(facts, settings, recipe=recipe, selection=selection, varied=", ".join(varied))
