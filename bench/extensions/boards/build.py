"""Collects a board from a folder of submissions; unchanged submissions are not checked again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import bench
from bench.extensions.boards.board_runs import BoardRuns, KeptChecks, board_folder, update_runs
from bench.extensions.boards.comparison import SubmissionReport
from bench.extensions.boards.precedence import owners
from bench.extensions.boards.submissions.check import harmless
from bench.extensions.boards.summary import BoardSummary, SettingSummary, SubmissionSummary, repeated_text
from bench.extensions.boards.verify import VERIFIED, read_verified

_HEAD, _MOST_TITLE = 10_000, 100
"""Characters of the README in which the title is looked for, and of a title."""


@dataclass(frozen=True)
class CollectedBoard:
    """The submissions of a board and the runs of those that are accepted.

    Args:
        reports: on all submissions.
        checked: number of submissions that were checked again.
        runs: the runs of accepted submissions.
        outcomes: result of each run that was repeated, by the name of its submission.
    """

    reports: tuple[SubmissionReport, ...]
    checked: int
    runs: BoardRuns
    outcomes: Mapping[str, Mapping[str, str]]

    def repeated(self, run_ids: Sequence[str]) -> str:
        """How many of these runs of the board were repeated here, and the result, as text."""
        found = (self.outcomes.get(self.runs.owner.get(run_id, ""), {}).get(run_id) for run_id in run_ids)
        return repeated_text([outcome for outcome in found if outcome], len(run_ids))

    def repeated_of(self, report: SubmissionReport) -> str:
        """How many runs of a submission were repeated here, and the result, as text."""
        return repeated_text(list(self.outcomes.get(report.name, {}).values()), len(report.own.runs))

    def summary(self, settings: tuple[SettingSummary, ...]) -> BoardSummary:
        """The content of `board.json`, with these leaderboards."""
        return BoardSummary(
            package_version=bench.__version__,
            submissions=tuple(self._summary(report) for report in self.reports),
            settings=settings,
        )

    def _summary(self, report: SubmissionReport) -> SubmissionSummary:
        return SubmissionSummary(
            name=report.name,
            digest=report.own.digest,
            who=report.own.facts.who if report.own.facts else "",
            accepted=report.accepted,
            runs=len(report.own.runs),
            refusals=report.refusals,
            notes=report.notes,
            repeated=self.repeated_of(report),
        )


def readme_title(submissions: Path) -> str:
    """The first heading of the README beside the folder of submissions; `Leaderboard` without one."""
    file = submissions.parent / "README.md"
    if not file.is_file():
        return "Leaderboard"
    with file.open(encoding="utf-8", errors="replace") as text:
        lines = text.read(_HEAD).splitlines()
    found = next((line.removeprefix("# ").strip() for line in lines if line.startswith("# ")), "")
    return harmless(found)[:_MOST_TITLE] or "Leaderboard"


def collect_board(submissions: Path, work: Path, data_root: Path | None = None) -> CollectedBoard:
    """Check the submissions and collect the runs of those that are accepted, in the folder `work / "runs"`.

    A refused submission is left out and described with the reasons. `work` also keeps the results of checks for later
    builds. Raises UsageError for a work folder that no board made.
    """
    kept = KeptChecks(work, data_root)
    own_reports, seen = kept.reports(submissions)
    verified = board_folder(submissions, VERIFIED)
    found = [_without_invalid(report, read_verified(verified, report.own)) for report in own_reports]
    accepted = [report.own for report in found if report.accepted]
    outcomes = {own.name: read_verified(verified, own) for own in accepted}
    runs = update_runs(work / "runs", submissions, accepted, owners(accepted, seen), outcomes)
    return CollectedBoard(tuple(found), kept.repeated, runs, outcomes)


def _without_invalid(report: SubmissionReport, outcomes: Mapping[str, str]) -> SubmissionReport:
    """The report, refused if a repetition showed that a run cannot come from its data."""
    wrong = sorted(run for run, outcome in outcomes.items() if outcome == "invalid")
    if not wrong:
        return report
    reason = f"the repetition of run {wrong[0]} shows that it cannot come from its data"
    return replace(report, refusals=(*report.refusals, reason))
