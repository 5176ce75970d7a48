"""The plan of a sweep: the requested runs minus the runs on disk, grouped and ordered by shared work."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from bench.errors import ShardError
from bench.experiment import BackboneCache, cache_info
from bench.record import RunRecord, RunStatus
from bench.results import Shards, Staleness, known_methods
from bench.spec import ExperimentSpec
from bench.sweep.compatibility import Rejection
from bench.sweep.expansion import Expansion
from bench.sweep.launch.tasks import RunTask, Task
from bench.sweep.options import RerunPolicy
from datasets_registry import canonical_json

LEFT_OUT = 3
"""Exit code of a sweep that did everything but what cannot run."""


@dataclass(frozen=True)
class Plan:
    """What a sweep will do.

    Args:
        retried: ids of pending runs that failed before.
        stale: reasons by run id, for runs whose code, weights or data changed. The policy decides whether they run
            again.
        seen: stamp of the existing shard, by run id.
        difficulties: pairs (backbone, dataset) whose difficulty has to be measured.
        unkept: ids of finished runs that run again, because they lack something that is to be kept.
    """

    specs: tuple[ExperimentSpec, ...]
    pending: tuple[ExperimentSpec, ...]
    retried: frozenset[str]
    stale: Mapping[str, tuple[str, ...]]
    seen: Mapping[str, str | None]
    rejected: tuple[Rejection, ...]
    difficulties: tuple[tuple[str, str], ...]
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
        found: dict[str, str] = {}
        for (_, label), specs in alike.items():
            for run_id, varied in _varied(specs).items():
                found[run_id] = f"{label} [{varied}]" if varied else label
        return found

    @property
    def exit_code(self) -> int:
        """3 if something that was requested by name is left out, else 0."""
        return LEFT_OUT if any(rejection.named for rejection in self.rejected) else 0

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
    differing = [key for key in keys if len({canonical_json(own.get(key)) for own in values.values()}) > 1]
    return {run_id: ", ".join(f"{key}={own.get(key)}" for key in differing) for run_id, own in values.items()}


def plan_runs(
    expansion: Expansion,
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
    runs = {spec.run_id: spec for spec in expansion.specs}
    seen = {run_id: shards.stamp(run_id) for run_id in runs}
    records: dict[str, RunRecord | None] = {}
    unreadable: list[Rejection] = []
    for run_id, spec in runs.items():
        try:
            records[run_id] = None if seen[run_id] is None else shards.record(run_id)
        except ShardError as error:
            unreadable.append(Rejection(spec.label(), str(error), named=False))
    specs = tuple(runs[run_id] for run_id in records)
    stale = {
        run_id: reasons
        for run_id, record in records.items()
        if record is not None and record.status is RunStatus.OK and (reasons := staleness.reasons(record))
    }
    wanted = {run_id for run_id, record in records.items() if _wanted(record, policy, stale=run_id in stale)}
    unkept = {r for r, record in records.items() if r in lacking and record and not _failed(record)} - wanted
    pending = [run_id for run_id in records if run_id in wanted | unkept]
    places = dict.fromkeys(
        (spec.backbone, dataset)
        for spec in specs
        if spec.backbone not in expansion.without_difficulty
        for dataset in (spec.dataset, *spec.targets)
    )
    again = policy is RerunPolicy.ALL
    return Plan(
        specs=specs,
        pending=tuple(runs[run_id] for run_id in pending),
        retried=frozenset(run_id for run_id in pending if _failed(records[run_id])),
        stale=stale,
        seen=seen,
        rejected=(*expansion.rejected, *unreadable),
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


def _wanted(record: RunRecord | None, policy: RerunPolicy, *, stale: bool) -> bool:
    if record is None or policy is RerunPolicy.ALL:
        return True
    if _failed(record):
        return policy is not RerunPolicy.MISSING
    return stale and policy is RerunPolicy.STALE


def _failed(record: RunRecord | None) -> bool:
    return record is not None and record.status is RunStatus.FAILED


@dataclass(frozen=True)
class SharedFeatures:
    """The frozen features of one backbone in a plan, with the number of its datasets.

    Of its `runs`, `readers` read frozen image or text features. `kept_bytes` of its features are in the cache, and
    `other_bytes` that another kind of device computed, which are not used.
    """

    backbone: str
    precision: str
    datasets: int
    readers: int
    runs: int
    kept_bytes: int
    other_bytes: int = 0


def shared_features(
    specs: Sequence[ExperimentSpec], cache_dir: Path | None, device: str = "cpu"
) -> list[SharedFeatures]:
    """Shared features by backbone and precision, in the order of the runs, for runs on that kind of device."""
    from methods import Needs

    known = known_methods()
    kept = [] if cache_dir is None else cache_info(cache_dir)
    groups: dict[tuple[str, str], list[ExperimentSpec]] = {}
    for spec in specs:
        groups.setdefault((spec.backbone, spec.precision), []).append(spec)
    frozen = {Needs.FEATURES, Needs.POOLED, Needs.HIDDEN}
    return [
        SharedFeatures(
            backbone=backbone,
            precision=precision,
            datasets=len({name for spec in group for name in (spec.dataset, *spec.targets)}),
            readers=sum(bool(known.get(spec.method).needs & frozen) for spec in group),
            runs=len(group),
            kept_bytes=sum(one.bytes for one in _of(backbone, precision, kept) if one.device.startswith(device)),
            other_bytes=sum(one.bytes for one in _of(backbone, precision, kept) if not one.device.startswith(device)),
        )
        for (backbone, precision), group in groups.items()
    ]


def _of(backbone: str, precision: str, kept: Sequence[BackboneCache]) -> list[BackboneCache]:
    return [one for one in kept if one.slug == backbone and one.precision == precision]


def heads_apart(tasks: Sequence[Task]) -> list[Task]:
    """The tasks in their order, those of heads marked."""
    return [
        replace(task, head=True) if isinstance(task, RunTask) and _is_head(task.spec.method) else task for task in tasks
    ]


@cache
def _is_head(method: str) -> bool:
    from methods import Needs

    facts = known_methods().get(method)
    return facts.needs <= {Needs.FEATURES, Needs.POOLED, Needs.UNLABELLED} and not facts.learns_text
