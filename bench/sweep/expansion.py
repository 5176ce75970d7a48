"""From axes to specs: resolves names, validates settings and refuses the impossible, before any weight is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.spec import ExperimentSpec
from bench.sweep.axes import Axes, check_axes, selected_datasets
from bench.sweep.inputs import backbones_of, class_text_of, support_lists
from bench.sweep.method_settings import Chosen, choose_methods, settled_recipe
from bench.sweep.rejections import Refusal, Refusals
from bench.sweep.task_checks import NOTHING, Asked, Tasks
from datasets_registry import EvalProtocol, get_dataset

if TYPE_CHECKING:
    from methods import BackboneSpec, ClassText


@dataclass(frozen=True)
class Expansion:
    """The specs of a sweep, and the combinations left out because only a pattern asked for them."""

    specs: tuple[ExperimentSpec, ...]
    refused: tuple[Refusal, ...]


def expand(axes: Axes, *, data_root: Path | None = None) -> Expansion:
    """All specs of a sweep, without two alike, in the order of the axes.

    A zero-shot run depends neither on shots nor on seed, so it is asked once for each backbone, dataset and protocol,
    with 0 shots and seed 0, whatever the axes say.

    Args:
        axes: what to cover.
        data_root: folder of the datasets that are read from disk.

    Raises:
        UnknownNameError: a name nobody registered.
        OverrideError: a setting that does not exist or a value it does not take.
        UsageError: an empty or repeated axis.
        ImpossibleCombinationError: combinations asked for by name that cannot work; all of them are listed.
    """
    check_axes(axes)
    chosen = choose_methods(axes)
    backbones = backbones_of(axes.backbones)
    datasets = selected_datasets(axes)
    lists = support_lists(axes)
    class_text = class_text_of(axes)
    refusals = Refusals()
    tasks = Tasks(axes, data_root, class_text, lists, refusals)
    expander = _Expander(axes, class_text, tasks, refusals)
    for item in chosen:
        expander.check_method(item)
    specs: dict[str, ExperimentSpec] = {}
    for name, named in datasets.items():
        targets = tasks.targets(name)
        asked = tasks.asked(
            name, zero_shot=any(item.zero_shot for item in chosen), trained=not all(item.zero_shot for item in chosen)
        )
        fingerprints = tasks.fingerprints(get_dataset(name), targets, asked, named=named)
        for backbone in backbones:
            for item in chosen:
                for spec in expander.specs(item, backbone, name, targets, fingerprints):
                    specs.setdefault(spec.run_id, spec)
    refusals.check(nothing_left=not specs)
    return Expansion(tuple(specs.values()), refusals.all())


@dataclass(frozen=True)
class _Expander:
    """Makes specs of what the methods, backbones and tasks of a sweep allow, and refuses the rest."""

    axes: Axes
    class_text: ClassText | None
    tasks: Tasks
    refusals: Refusals

    def check_method(self, item: Chosen) -> None:
        """Refuse a method that cannot answer under this protocol, with these class texts, or without a recipe."""
        protocol = self.axes.protocol
        if protocol is not EvalProtocol.FEW_SHOT and not item.info.is_open(item.config):
            others = "new classes" if protocol is EvalProtocol.BASE_TO_NEW else "other datasets"
            self.refusals.add(
                item.info.name,
                f"its parameters are tied to the training classes, so it cannot score the {others} of {protocol}; "
                f"use --protocol {EvalProtocol.FEW_SHOT}.",
                named=item.named,
            )
        if reason := item.config.config_error():
            self.refusals.add(item.info.name, reason, named=item.named)
        if self.class_text is not None and item.info.learns_text and not item.info.class_text_teacher:
            self.refusals.add(
                item.info.name,
                f"it learns its own text input, so --class-text {self.class_text.identity} means nothing for it; run "
                f"it without, or a method with frozen class texts.",
                named=item.named,
            )
        if item.unselectable:
            self.refusals.add(item.info.name, item.unselectable, named=item.named)
        if item.lacks_recipe:
            known = ", ".join(sorted(item.info.recipes))
            self.refusals.add(item.info.name, f"it has no recipe for {protocol}, only for {known}.", named=item.named)

    def specs(
        self,
        item: Chosen,
        backbone: BackboneSpec,
        dataset: str,
        targets: Sequence[str],
        fingerprints: dict[Asked, str],
    ) -> Iterable[ExperimentSpec]:
        """The specs of one method on one backbone and dataset, for the tasks that can be given."""
        if self.refusals.names(item.info.name):
            return
        from bench.sweep.compatibility import why_apart, why_not

        info = get_dataset(dataset)
        if reason := why_apart(info, backbone):
            self.refusals.add(f"{dataset} on {backbone.slug}", reason, named=item.named)
            return
        if self.class_text is not None and backbone.imported:
            what = f"{dataset} with --class-text {self.class_text.identity}"
            self.refusals.add(
                what, "its class texts are imported features; run it without --class-text.", named=item.named
            )
            return
        if reason := why_not(item.info, backbone, self.axes.precision):
            self.refusals.add(f"{item.info.name} on {backbone.slug}", reason, named=item.named)
            return
        axes = self.axes
        for asked, fingerprint in fingerprints.items():
            if item.zero_shot != (asked is NOTHING):
                continue
            if item.chooses_by_validation and not self.tasks.has_validation(dataset, asked):
                self.refusals.add(f"{item.info.name} on {dataset}", _without_validation(item), named=item.named)
                return
            yield ExperimentSpec(
                method=item.info.name,
                config=item.config.model_dump(mode="json"),
                recipe=settled_recipe(item.recipe, asked.shots, info),
                backbone=backbone.slug,
                dataset=dataset,
                task_fingerprint=fingerprint,
                draw=self.tasks.draw(info, asked),
                protocol=axes.protocol,
                shots=asked.shots,
                seed=asked.seed,
                precision=axes.precision,
                targets=tuple(targets),
                support=asked.support.digest if asked.support else None,
                class_text=self.class_text.identity if self.class_text else None,
                epoch_selection=item.epoch_selection,
            )


def _without_validation(item: Chosen) -> str:
    from methods import Selection, selection_rules

    others = [str(way) for way in selection_rules(item.info) if way not in (Selection.VALIDATION, Selection.ORACLE)]
    what = "an epoch" if item.epoch_selection else "its settings"
    remedy = f"use --selection {' or '.join(others)}, or " if others else "use "
    return (
        f"there are no validation images of the training classes to choose {what} with; {remedy}a support list that "
        f"names some."
    )
