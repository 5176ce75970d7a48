"""What a sweep still has to do: what is asked for, less what is on disk."""

from __future__ import annotations

from dataclasses import dataclass

from bench.record import RunStatus
from bench.shards import RerunPolicy, Shards
from bench.spec import ExperimentSpec
from bench.sweep._expand import Expansion
from bench.sweep._refusals import Refusal


@dataclass(frozen=True)
class Plan:
    """What a sweep will do.

    Args:
        specs: everything asked for.
        pending: what has to run now.
        retried: how many of the pending ones failed before.
        refused: combinations left out, with reasons.
        difficulties: (backbone, dataset) whose difficulty is not measured yet.
    """

    specs: tuple[ExperimentSpec, ...]
    pending: tuple[ExperimentSpec, ...]
    retried: int
    refused: tuple[Refusal, ...]
    difficulties: tuple[tuple[str, str], ...]

    @property
    def done(self) -> tuple[ExperimentSpec, ...]:
        """What is answered already."""
        waiting = {spec.run_id for spec in self.pending}
        return tuple(spec for spec in self.specs if spec.run_id not in waiting)


def plan(expansion: Expansion, shards: Shards, policy: RerunPolicy = RerunPolicy.FAILED) -> Plan:
    """Subtract what is on disk from what is asked for."""
    pending = shards.pending(expansion.specs, policy)
    places = dict.fromkeys(
        (spec.backbone, dataset) for spec in expansion.specs for dataset in (spec.dataset, *spec.targets)
    )
    again = policy is RerunPolicy.ALL
    return Plan(
        specs=expansion.specs,
        pending=tuple(pending),
        retried=sum(shards.status(spec.run_id) is RunStatus.FAILED for spec in pending),
        refused=expansion.refused,
        difficulties=tuple(place for place in places if again or not shards.has_difficulty(*place)),
    )
