"""Adds the open score to stored runs of older releases.

It cannot be computed from stored predictions, which have the logits of an image only among base or only among new
names. The test images are therefore classified again, by the stored model or by a repetition of the run. Both also
classify them among their own names, and the open score is added only if these predictions equal those of the stored
run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bench.errors import VerificationError
from bench.record import OpenScore, Predictions, RunRecord, RunStatus
from bench.results.shards import Shard, Shards
from bench.results.verification import Outcome, verdict
from bench.spec import OPEN_BASE, OPEN_NEW
from datasets_registry import EvalProtocol


class Route(StrEnum):
    """How the open score of a run is computed."""

    KEPT_MODEL = "kept model"
    """The stored model classifies the test images."""
    REPEATED = "repeated"
    """A method without training is run again."""
    TRAINED_AGAIN = "trained again"
    """No model was stored, so the training is repeated; only on request."""


@dataclass(frozen=True)
class Plan:
    """The action of `etl-bench rescore` for one run.

    Args:
        route: how the open score is computed; None if it is not.
        reason: why it is not computed; empty otherwise.
    """

    run_id: str
    label: str
    route: Route | None
    reason: str = ""


def plan_open_score(record: RunRecord, model: Path, *, train: bool) -> Plan:
    """How the open score of a run is computed, or why it is not.

    Args:
        model: path of the run's stored model, which need not exist.
        train: whether training may be repeated.
    """
    spec, label = record.spec, record.spec.label()
    if record.status is RunStatus.FAILED:
        return Plan(record.run_id, label, None, "it failed; run its command again")
    if spec.protocol is not EvalProtocol.BASE_TO_NEW:
        return Plan(record.run_id, label, None, f"{spec.protocol} has no open score, only base-to-new")
    if record.open is not None:
        return Plan(record.run_id, label, None, "it has an open score")
    if model.exists():
        return Plan(record.run_id, label, Route.KEPT_MODEL)
    if spec.recipe is None:
        return Plan(record.run_id, label, Route.REPEATED)
    if train:
        return Plan(record.run_id, label, Route.TRAINED_AGAIN)
    return Plan(record.run_id, label, None, "its model was not kept; --train repeats the training")


def runs_without_open_score(shards: Shards) -> list[RunRecord]:
    """The finished base-to-new runs that have no open score, by run id."""
    records = (shards.record(entry.run_id) for entry in shards.scan())
    return [
        record
        for record in records
        if record is not None
        and record.status is RunStatus.OK
        and record.spec.protocol is EvalProtocol.BASE_TO_NEW
        and record.spec.fold is None
        and record.open is None
    ]


def with_open_score(stored: Shard, opened: OpenScore | None, predictions: Sequence[Predictions]) -> Shard:
    """The stored run with the open score of its repetition; everything else is unchanged.

    `predictions` are those of the repetition on every split. Raises VerificationError if its predictions among base
    names or among new names differ from those of the stored run by more than rounding.
    """
    found = verdict(stored, stored.record, predictions)
    if found.outcome not in (Outcome.IDENTICAL, Outcome.ROUNDING) or opened is None:
        run, why = stored.record.run_id, "; ".join(found.faults) or f"{found.flips} of {found.compared} images"
        raise VerificationError(
            f"Run {run} gets no open score: today's code and data give other predictions ({why}). `etl-bench verify "
            f"{run}` says what changed; repeat its `etl-bench run` with --rerun stale for a new run."
        )
    added = [item for item in predictions if item.split in (OPEN_BASE, OPEN_NEW)]
    record = stored.record.model_copy(update={"open": opened})
    return Shard(record, (*stored.predictions, *added))
