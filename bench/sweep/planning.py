"""The plan of a sweep: the requested runs minus the runs on disk."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from bench.errors import ShardError
from bench.provenance.staleness import Staleness
from bench.record import RunRecord, RunStatus
from bench.results.shards import Shards
from bench.spec import ExperimentSpec
from bench.sweep.expansion import Expansion
from bench.sweep.option_choices import RerunPolicy
from bench.sweep.rejections import Rejection

LEFT_OUT = 3
"""Exit code of a sweep that did everything but what cannot run."""


@dataclass(frozen=True)
class Plan:
    """What a sweep will do.

    Args:
        retried: number of pending runs that failed before.
        stale: reasons by run id, for runs whose code, weights or data changed. The policy decides whether they run
            again.
        seen: stamp of the existing shard, by run id.
        difficulties: pairs (backbone, dataset) whose difficulty has to be measured.
        unkept: number of finished runs that run again, because their model is to be kept.
    """

    specs: tuple[ExperimentSpec, ...]
    pending: tuple[ExperimentSpec, ...]
    retried: int
    stale: Mapping[str, tuple[str, ...]]
    seen: Mapping[str, str | None]
    rejected: tuple[Rejection, ...]
    difficulties: tuple[tuple[str, str], ...]
    unkept: int = 0

    @property
    def done(self) -> tuple[ExperimentSpec, ...]:
        """Completed runs."""
        waiting = {spec.run_id for spec in self.pending}
        return tuple(spec for spec in self.specs if spec.run_id not in waiting)

    @property
    def exit_code(self) -> int:
        """3 if something that was requested by name is left out, else 0."""
        return LEFT_OUT if any(rejection.named for rejection in self.rejected) else 0

    @property
    def stale_reasons(self) -> dict[str, int]:
        """Number of stale runs by reason, most frequent first."""
        return dict(Counter(reason for reasons in self.stale.values() for reason in reasons).most_common())


def plan(
    expansion: Expansion,
    shards: Shards,
    policy: RerunPolicy = RerunPolicy.FAILED,
    staleness: Staleness | None = None,
    lacking: Collection[str] = (),
) -> Plan:
    """Subtract the runs on disk from the requested runs. Without `staleness`, only code makes a run stale.

    Finished runs in `lacking` are computed again to keep their model.

    A run whose shard this release cannot read is left out, so that nothing replaces it.
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
        retried=sum(_failed(records[run_id]) for run_id in pending),
        stale=stale,
        seen=seen,
        rejected=(*expansion.rejected, *unreadable),
        difficulties=tuple(place for place in places if _to_measure(*place, shards, staleness, again=again)),
        unkept=len(unkept),
    )


def _to_measure(backbone: str, dataset: str, shards: Shards, staleness: Staleness, *, again: bool) -> bool:
    """Whether a difficulty is not known for the backbone as it is today. One of a newer release is never replaced."""
    try:
        records = shards.difficulties.read(backbone, dataset)
    except ShardError:
        return False
    return (
        again
        or records is None
        or any(staleness.backbone_changed(backbone, record.backbone_digest) for record in records)
    )


def _wanted(record: RunRecord | None, policy: RerunPolicy, *, stale: bool) -> bool:
    if record is None or policy is RerunPolicy.ALL:
        return True
    if _failed(record):
        return policy is not RerunPolicy.MISSING
    return stale and policy is RerunPolicy.STALE


def _failed(record: RunRecord | None) -> bool:
    return record is not None and record.status is RunStatus.FAILED
