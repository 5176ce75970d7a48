"""Compares the submissions of a board with each other: the later one of two gives way."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict

from bench.boards.precedence import FirstSeen
from bench.boards.submissions.check import OwnChecks, shortened
from bench.boards.submissions.plausibility import CLOCK, date_notes, gain_notes
from bench.boards.submissions.run_facts import RunFacts
from bench.boards.submissions.suspicion import Named, foreign_weights, impossible_scores, near_copies, shared_runs


class SubmissionReport(BaseModel):
    """The whole result for one submission, including comparisons with other submissions.

    Args:
        accepted: whether a board can take it.
        refusals, notes: of `own` and of the comparison with other submissions.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    accepted: bool
    refusals: tuple[str, ...]
    notes: tuple[str, ...]
    own: OwnChecks


def compare_with_others(own: OwnChecks, others: Sequence[OwnChecks], seen: FirstSeen | None = None) -> SubmissionReport:
    """The report of a submission, compared with the other submissions of a board.

    Args:
        others: submissions that are not refused. Each run is compared with those of their runs that came before it.
        seen: when each came with its runs. By default the others were first.
    """
    seen = seen or FirstSeen(newcomer=own.name)
    others = [other for other in others if other.name != own.name]
    refusals, notes = [*own.refusals], [*own.notes]
    if own.facts is not None:
        now = datetime.now(UTC)
        if own.facts.submitted > now + CLOCK:
            refusals.append(f"it states a time of submission in the future, {own.facts.submitted:%Y-%m-%d %H:%M} UTC")
        notes += date_notes(own.runs, own.facts.submitted, now)
    if own.runs:
        everything: list[Named] = [(other.name, run) for other in others for run in other.runs]
        first = {other.name: _shared_first(own, other, seen) for other in others}
        came = seen.came(own)
        earlier = {other.name for other in others if seen.came(other) < came}
        refusals += shortened(_impossible(own, everything, seen))
        if {run.run_id for run in own.runs} <= {run.run_id for runs in first.values() for run in runs}:
            refusals.append("all of its runs are on the board already, so it adds nothing")
        notes += shortened(shared_runs(own.runs, first))
        notes += shortened(near_copies(own.runs, everything, earlier))
        notes += shortened(foreign_weights(own.runs, everything))
        notes += shortened(gain_notes(own.runs, everything))
    return SubmissionReport(name=own.name, accepted=not refusals, refusals=tuple(refusals), notes=tuple(notes), own=own)


def _impossible(own: OwnChecks, everything: Sequence[Named], seen: FirstSeen) -> list[str]:
    """What is impossible beside runs that came before, without what is impossible alone."""
    places = [seen.place(name, run.run_id) for name, run in everything]
    ordered = sorted(places)
    by_number: dict[int, list[RunFacts]] = defaultdict(list)  # the key is the number of runs that came before
    for run in own.runs:
        by_number[bisect_left(ordered, seen.place(own.name, run.run_id))].append(run)
    found: dict[str, None] = {}
    for number, runs in sorted(by_number.items()):
        if number:
            last = ordered[number - 1]
            pool = [named for place, named in zip(places, everything, strict=True) if place <= last]
            alone = set(impossible_scores(runs))
            found |= dict.fromkeys(text for text in impossible_scores(runs, pool) if text not in alone)
    return list(found)


def _shared_first(own: OwnChecks, other: OwnChecks, seen: FirstSeen) -> list[RunFacts]:
    """The runs of both that the other submission came with first."""
    mine = {run.run_id for run in own.runs}
    return [
        run
        for run in other.runs
        if run.run_id in mine and seen.place(other.name, run.run_id) < seen.place(own.name, run.run_id)
    ]


def reports(submissions: Sequence[OwnChecks], seen: FirstSeen | None = None) -> list[SubmissionReport]:
    """The reports of all submissions of a board, in the order in which they came.

    A submission that is refused by itself, or by those before it, counts for no comparison.
    """
    seen = seen or FirstSeen()
    refused = {own.name for own in submissions if own.refusals}
    found = []
    for own in sorted(submissions, key=seen.came):
        report = compare_with_others(own, [other for other in submissions if other.name not in refused], seen)
        found.append(report)
        if not report.accepted:
            refused.add(own.name)
    return found
