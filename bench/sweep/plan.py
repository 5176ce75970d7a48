"""The plan of a sweep: the runs that its rules and data allow, minus those on disk, ordered by shared work."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from bench.errors import ShardError
from bench.experiment import read_splits
from bench.record import RunRecord, RunStatus
from bench.results import Shards, Staleness, known_methods
from bench.spec import ExperimentSpec
from bench.sweep.grid import Candidate, Grid, grid
from bench.sweep.launch.tasks import RunTask, Task
from bench.sweep.left_out import LeftOut, check_left_out, distinct
from bench.sweep.options import RerunPolicy
from bench.sweep.read_tasks import TaskReader
from bench.sweep.request import SweepRequest
from bench.sweep.rules import GRID_RULES, REQUEST_RULES, check, method_refusals, place_refusal
from datasets_registry import canonical_json

LEFT_OUT = 3
"""Exit code of a sweep that did everything but what cannot run."""
LARGE_PLAN = 1000
"""Runs from which on a plan says how many it may have before it makes them."""


@dataclass(frozen=True)
class Plan:
    """The runs of a sweep, and what it will do.

    Args:
        specs: all runs, also those that are done.
        left_out: what is not among them, and why.
        without_difficulty: backbones that cannot encode class names, by which a difficulty is measured.
        short: for a dataset and a number of shots, the training images of each class with fewer, all of which are
            drawn.
        pending: the runs to do.
        retried: ids of pending runs that failed before.
        stale: reasons by run id, for runs whose code, weights or data changed. The policy decides whether they run
            again.
        seen: stamp of the existing shard, by run id.
        difficulties: pairs (backbone, dataset) whose difficulty has to be measured.
        unkept: ids of finished runs that run again, because they lack something that is to be kept.
    """

    request: SweepRequest
    specs: tuple[ExperimentSpec, ...]
    left_out: tuple[LeftOut, ...] = ()
    without_difficulty: frozenset[str] = frozenset()
    short: Mapping[tuple[str, int], Mapping[str, int]] = field(default_factory=dict)
    pending: tuple[ExperimentSpec, ...] = ()
    retried: frozenset[str] = frozenset()
    stale: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    seen: Mapping[str, str | None] = field(default_factory=dict)
    difficulties: tuple[tuple[str, str], ...] = ()
    unkept: frozenset[str] = frozenset()

    @property
    def done(self) -> tuple[ExperimentSpec, ...]:
        """Completed runs."""
        waiting = {spec.run_id for spec in self.pending}
        return tuple(spec for spec in self.specs if spec.run_id not in waiting)

    @property
    def labels(self) -> dict[str, str]:
        """The label of each run by its id; with the settings in which it differs from runs that are alike otherwise."""
        alike = defaultdict[tuple[str, str], list[ExperimentSpec]](list)
        for spec in self.specs:
            alike[spec.backbone, spec.label()].append(spec)
        labels: dict[str, str] = {}
        for (_, label), specs in alike.items():
            for run_id, varied in _varied(specs).items():
                labels[run_id] = f"{label} [{varied}]" if varied else label
        return labels

    @property
    def exit_code(self) -> int:
        """3 if something that was requested by name is left out, else 0."""
        return LEFT_OUT if any(item.named for item in self.left_out) else 0

    @property
    def stale_reasons(self) -> dict[str, int]:
        """Number of stale runs by reason, most frequent first."""
        return dict(Counter(reason for reasons in self.stale.values() for reason in reasons).most_common())


def _varied(specs: Sequence[ExperimentSpec]) -> dict[str, str]:
    if len(specs) == 1:  # as most are
        return {specs[0].run_id: ""}
    values = {
        spec.run_id: dict(spec.config) | {f"recipe.{key}": value for key, value in (spec.recipe or {}).items()}
        for spec in specs
    }
    keys = sorted(set().union(*values.values()) - {"recipe.name", "recipe.source"})
    differing = [key for key in keys if len({canonical_json(settings.get(key)) for settings in values.values()}) > 1]
    return {run_id: ", ".join(f"{key}={settings.get(key)}" for key in differing) for run_id, settings in values.items()}


def expand(request: SweepRequest, say: Callable[[str], None] = lambda _: None) -> Plan:
    """All distinct runs of a sweep, in the order of its axes, before any is looked up. Loads no weights.

    `say` receives the progress of a large plan.

    Raises:
        UnknownNameError: an unregistered name.
        UsageError: a setting that does not exist or a value it does not take.
        UsageError: axes that do not go together, or too many runs.
        WeightsError: a file of weights that is not there.
        ImpossibleCombinationError: nothing can run, or something needed cannot.
    """
    read_splits.cache_clear()  # own images may have changed since the last plan
    axes, left_out = _checked_grid(request)
    if axes.most >= LARGE_PLAN:
        say(f"planning up to {axes.most:,} runs")
    reader, specs = TaskReader(axes, say), dict[str, ExperimentSpec]()
    for candidate in axes:
        if refused := place_refusal(candidate):
            left_out.append(refused)
            continue
        for spec in _specs(candidate, axes, reader):
            specs.setdefault(spec.run_id, spec)
    all_left_out = distinct([*left_out, *reader.left_out])
    check_left_out(all_left_out, nothing_left=not specs)
    used = {spec.backbone for spec in specs.values()}
    mute = {item.slug: why for item in axes.backbones if item.slug in used and (why := item.text_tower_error)}
    unmeasured = [LeftOut(f"difficulties for {slug}", f"{why}.", named=False) for slug, why in mute.items()]
    runs = tuple(specs.values())
    return Plan(request, runs, (*all_left_out, *unmeasured), frozenset(mute), reader.short, runs)


def outline_of(sweep: SweepRequest, *, unchecked: bool = False) -> Plan:
    """A sweep as if all of its data were there: the runs of its first seed, with empty fingerprints of their tasks.

    Reads no data, so the runs of a sweep can be counted, estimated and looked up before anything is fetched. A dataset
    with fewer images than shots, support lists and folds are not known here. All names are known, and values are valid
    unless they are `unchecked`.

    Raises as `expand` does for unknown names and wrong values.
    """
    without_data = {"seeds": sweep.seeds[:1], "folds": [], "support": list(map(str, sweep.support_rules))}
    axes, _ = _checked_grid(sweep.model_copy(update=without_data | {"draw": str(sweep.draw_rule)}), unchecked=unchecked)
    specs: dict[str, ExperimentSpec] = {}
    for candidate in axes:
        for choice in [] if place_refusal(candidate) else axes.choices(candidate):
            spec = axes.spec(candidate, choice, None, candidate.targets)
            specs.setdefault(spec.run_id, spec)
    return Plan(sweep, tuple(specs.values()), pending=tuple(specs.values()))


def _checked_grid(request: SweepRequest, *, unchecked: bool = False) -> tuple[Grid, list[LeftOut]]:
    """The grid with the methods that can run, and why others cannot."""
    check(request, REQUEST_RULES)
    axes = grid(request, unchecked=unchecked)
    check(axes, GRID_RULES)
    refusals = [method_refusals(method) for method in axes.methods]
    allowed = [method for method, reasons in zip(axes.methods, refusals, strict=True) if not reasons]
    return replace(axes, methods=tuple(allowed)), [item for reasons in refusals for item in reasons]


def _specs(candidate: Candidate, axes: Grid, reader: TaskReader) -> Iterator[ExperimentSpec]:
    """The specs of a candidate that its data allow; the reader leaves out the others."""
    assert candidate.dataset is not None
    place, is_named = f"{candidate.label} on {candidate.dataset.name}", candidate.named
    targets = reader.targets(candidate)
    for choice, task in reader.tasks(candidate):
        if candidate.chooses_by_validation and not len(task.validation):
            reader.left_out.append(LeftOut(place, _without_validation(candidate), is_named))
            return
        if candidate.facts.needs_teacher and candidate.teacher is not None:
            names = task.support.classes.names
            if (why := candidate.teacher.task_conflict(names, task.shots, choice.recorded)) is not None:
                reader.left_out.append(LeftOut(f"{place} with {choice.text}", why, is_named))
                continue
        yield axes.spec(candidate, choice, task, targets)


def _without_validation(candidate: Candidate) -> str:
    from methods import selection_rules

    rules = selection_rules(candidate.facts)
    other_rules = [str(way) for way in rules if way not in ("validation", "oracle")]
    what = "an epoch" if candidate.epoch_selection else "its settings"
    remedy = f"use --selection {' or '.join(other_rules)}, or " if other_rules else "use "
    return (
        f"there are no validation images of the training classes to choose {what}; {remedy}a support list that "
        f"names some."
    )


def plan_runs(
    planned: Plan,
    shards: Shards,
    policy: RerunPolicy = RerunPolicy.FAILED,
    staleness: Staleness | None = None,
    lacking: Collection[str] = (),
) -> Plan:
    """Subtract the runs on disk from the requested runs. Without `staleness`, only code makes a run stale.

    Finished runs in `lacking` are computed again, since they lack something that is to be kept.

    A run whose shard cannot be read is left out, so that nothing replaces it.
    """
    staleness = staleness or Staleness(None)
    # stamps before records: a shard written in between is noticed
    runs = {spec.run_id: spec for spec in planned.specs}
    seen = {run_id: shards.stamp(run_id) for run_id in runs}
    records: dict[str, RunRecord | None] = {}
    unreadable: list[LeftOut] = []
    for run_id, spec in runs.items():
        try:
            records[run_id] = None if seen[run_id] is None else shards.record(run_id)
        except ShardError as error:
            unreadable.append(LeftOut(spec.label(), str(error), named=False))
    specs = tuple(runs[run_id] for run_id in records)
    stale = {
        run_id: reasons
        for run_id, record in records.items()
        if record is not None and record.status is RunStatus.OK and (reasons := staleness.reasons(record))
    }
    failed = {run_id for run_id, record in records.items() if record and record.status is RunStatus.FAILED}
    again = policy is RerunPolicy.ALL
    repeated = {
        run_id
        for run_id, record in records.items()
        if again
        or record is None
        or (run_id in failed and policy is not RerunPolicy.MISSING)
        or (run_id in stale and policy is RerunPolicy.STALE)
    }
    unkept = {run_id for run_id in lacking if run_id in records} - failed - repeated
    pending = [run_id for run_id in records if run_id in repeated | unkept]
    places = dict.fromkeys(
        (spec.backbone, dataset)
        for spec in specs
        if spec.backbone not in planned.without_difficulty
        for dataset in (spec.dataset, *spec.targets)
    )
    return replace(
        planned,
        specs=specs,
        pending=tuple(runs[run_id] for run_id in pending),
        retried=frozenset(failed.intersection(pending)),
        stale=stale,
        seen=seen,
        left_out=(*planned.left_out, *unreadable),
        difficulties=tuple(place for place in places if _to_measure(*place, shards, staleness, again=again)),
        unkept=frozenset(unkept),
    )


def _to_measure(backbone: str, dataset: str, shards: Shards, staleness: Staleness, *, again: bool) -> bool:
    """Whether a difficulty is not known for the backbone and own images as they are today.

    One that cannot be read is never replaced.
    """
    try:
        records = shards.difficulties.read(backbone, dataset)
    except ShardError:
        return False
    return (
        again
        or records is None
        or any(staleness.backbone_changed(backbone, record.backbone_digest) for record in records)
        or any(staleness.test_part_changed(dataset, record.data_fingerprint) for record in records)
    )


def heads_apart(tasks: Sequence[Task]) -> list[Task]:
    """The tasks in their order, those of heads marked."""
    return [
        replace(task, head=True) if isinstance(task, RunTask) and _is_head(task.spec.method) else task for task in tasks
    ]


@cache
def _is_head(method: str) -> bool:

    facts = known_methods().get(method)
    return facts.needs <= {"features", "pooled", "unlabelled"} and not facts.learns_text
