"""Compares the submissions of a board with each other: the later one of two gives way."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bench._util.words import counted
from bench.extensions.boards.precedence import FirstSeen
from bench.extensions.boards.submissions.check import OwnChecks, shortened

_CLOCK = timedelta(days=1)
"""How far clocks may differ."""


@dataclass(frozen=True)
class SubmissionReport:
    """The whole result for one submission: the refusals and notes of `own`, and of comparisons with others."""

    own: OwnChecks
    refusals: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def name(self) -> str:
        """Of the submission."""
        return self.own.name

    @property
    def accepted(self) -> bool:
        """Whether a board can take it."""
        return not self.refusals


def compare_with_others(own: OwnChecks, others: Sequence[OwnChecks], seen: FirstSeen | None = None) -> SubmissionReport:
    """The report of a submission, compared with the other submissions of a board.

    Args:
        others: submissions that are not refused. Each run is compared with those of their runs that came before it.
        seen: when each came with its runs. By default the others were first.
    """
    seen = seen or FirstSeen(newcomer=own.name)
    others = [other for other in others if other.name != own.name]
    refusals, notes = [*own.refusals], [*own.notes]
    if own.facts is not None and own.facts.submitted > datetime.now(UTC) + _CLOCK:
        refusals.append(f"it states a time of submission in the future, {own.facts.submitted:%Y-%m-%d %H:%M} UTC")
    if own.runs:
        refusals += shortened(_other_labels(own, others, seen))
        shared = _on_the_board(own, others, seen)
        if len(shared) == len(own.runs):
            refusals.append("all of its runs are on the board already, so it adds nothing")
        elif shared:
            notes.append(
                f"{len(shared)} of {counted(len(own.runs), 'run')} are on the board already, which counts those that "
                "came first"
            )
    return SubmissionReport(own, tuple(refusals), tuple(notes))


def _other_labels(own: OwnChecks, others: Sequence[OwnChecks], seen: FirstSeen) -> Iterator[str]:
    """Runs whose test images or true labels are not those of an earlier run of the same task."""
    runs = [(other.name, run) for other in (*others, own) for run in other.runs]
    first: dict[tuple[str, ...], tuple[str, str]] = {}
    for name, run in sorted(runs, key=lambda item: seen.place(item[0], item[1].run_id)):
        for split, key, truth in run.truths():
            expected, where = first.setdefault(key, (truth, f"run {run.run_id} of {name}"))
            if name == own.name and truth != expected:
                yield f"{run.label}: {split}: its test images or true labels are not those of {where}"
                break


def _on_the_board(own: OwnChecks, others: Sequence[OwnChecks], seen: FirstSeen) -> set[str]:
    """The ids of its runs with which another submission came first."""
    mine = {run.run_id: seen.place(own.name, run.run_id) for run in own.runs}
    theirs = ((other.name, run.run_id) for other in others for run in other.runs if run.run_id in mine)
    return {run_id for name, run_id in theirs if seen.place(name, run_id) < mine[run_id]}


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
