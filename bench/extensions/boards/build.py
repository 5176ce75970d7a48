"""Collects a board from a folder of submissions; unchanged submissions are not checked again."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import bench
from bench.boards.board_runs import VERIFIED, BoardRuns, KeptChecks, claim_work, read_verified, update_runs
from bench.boards.comparison import SubmissionReport, reports
from bench.boards.precedence import first_seen, owners
from bench.boards.submissions.check import OwnChecks, harmless
from bench.boards.submissions.data_checks import Level
from bench.boards.submissions.submission import submission_folders
from bench.boards.summary import BoardSummary, SettingSummary, SubmissionSummary, verified_text

_HEAD, _MOST_TITLE = 10_000, 100
"""Characters of the README in which the title is looked for, and of a title."""


@dataclass(frozen=True)
class BoardRequest:
    """A board to build.

    Args:
        submissions: folder of submissions.
        out: folder of the site.
        work: folder for results of checks, the runs and their database; a later build uses them again.
        data_root: folder of datasets to compare draws and labels with.
        images: whether the page shows example images of datasets.
        force: replace files of the site that etl-bench did not write. The work folder must be its own.
    """

    submissions: Path
    out: Path
    work: Path
    data_root: Path | None = None
    images: bool = True
    force: bool = False


@dataclass(frozen=True)
class BoardSubmission:
    """One submission to a board.

    Args:
        code: an https address, or empty.
        submitted: date and time as text.
        remarks: of the submitters.
        methods: names of its methods.
        runs: its completed runs; `counted` of them are on the board, the others are runs of earlier submissions.
        refusals: reasons for a refusal; empty if it is accepted.
        data: how far the data of its runs were compared, in two words.
        published: number of runs with published settings.
        notes: of the checks, one sentence each.
        verified: number of recomputed runs and the result; empty if none was recomputed.
    """

    name: str
    who: str
    licence: str
    submitted: str
    code: str = ""
    remarks: str = ""
    methods: tuple[str, ...] = ()
    runs: int = 0
    counted: int = 0
    refusals: tuple[str, ...] = ()
    data: str = ""
    published: int = 0
    notes: tuple[str, ...] = ()
    verified: str = ""


@dataclass(frozen=True)
class CollectedBoard:
    """The submissions of a board and the runs of those that are accepted.

    Args:
        reports: on all submissions; `submissions` describes them in the same order.
        checked: number of submissions that were checked again.
        runs: the runs of accepted submissions, in the folder `request.work / "runs"`.
        outcomes: result of the repetition of each recomputed run.
    """

    request: BoardRequest
    reports: tuple[SubmissionReport, ...]
    submissions: tuple[BoardSubmission, ...]
    checked: int
    runs: BoardRuns
    outcomes: Mapping[str, str]

    def summary(self, settings: tuple[SettingSummary, ...]) -> BoardSummary:
        """The content of `board.json`, with these leaderboards."""
        pairs = zip(self.reports, self.submissions, strict=True)
        return BoardSummary(
            package_version=bench.__version__,
            submissions=tuple(_summary(report, shown) for report, shown in pairs),
            settings=settings,
        )


def board_title(submissions: Path) -> str:
    """The first heading of the README beside the folder of submissions; `Leaderboard` without one."""
    file = submissions.parent / "README.md"
    if not file.is_file():
        return "Leaderboard"
    with file.open(encoding="utf-8", errors="replace") as text:
        lines = text.read(_HEAD).splitlines()
    found = next((line.removeprefix("# ").strip() for line in lines if line.startswith("# ")), "")
    return harmless(found)[:_MOST_TITLE] or "Leaderboard"


def collect_board(request: BoardRequest) -> CollectedBoard:
    """Check the submissions and collect the runs of accepted submissions.

    A refused submission is left out and described with the reasons. Raises UsageError for a work folder that no board
    made.
    """
    claim_work(request.work)
    kept = KeptChecks(request.work / "checked", request.data_root)
    verified = request.submissions.parent / VERIFIED
    checked = kept.all(submission_folders(request.submissions))
    seen = first_seen(request.submissions, checked)
    found = [_without_invalid(report, read_verified(verified, report.own)) for report in reports(checked, seen)]
    accepted = [report.own for report in found if report.accepted]
    outcomes = {own.name: read_verified(verified, own) for own in accepted}
    runs = update_runs(request.work / "runs", request.submissions, accepted, owners(accepted, seen), outcomes)
    return CollectedBoard(
        request,
        tuple(found),
        tuple(_described(report, runs, outcomes.get(report.name, {})) for report in found),
        kept.repeated,
        runs,
        {run: outcome for name, item in outcomes.items() for run, outcome in item.items() if runs.owner[run] == name},
    )


def _without_invalid(report: SubmissionReport, outcomes: Mapping[str, str]) -> SubmissionReport:
    """The report, refused if a repetition showed that a run cannot come from its data."""
    wrong = sorted(run for run, outcome in outcomes.items() if outcome == "invalid")
    if not wrong:
        return report
    reason = f"the repetition of run {wrong[0]} shows that it cannot come from its data"
    return report.model_copy(update={"accepted": False, "refusals": (*report.refusals, reason)})


def _described(report: SubmissionReport, runs: BoardRuns, outcomes: Mapping[str, str]) -> BoardSubmission:
    own, facts = report.own, report.own.facts
    return BoardSubmission(
        name=report.name,
        who=facts.who if facts else "",
        licence=facts.licence if facts else "",
        submitted=f"{facts.submitted:%Y-%m-%d %H:%M}" if facts else "",
        code=facts.code if facts else "",
        remarks=facts.notes if facts else "",
        methods=tuple(sorted({run.method for run in own.runs})),
        runs=len(own.runs),
        counted=sum(runs.owner.get(run.run_id) == own.name for run in own.runs),
        refusals=report.refusals,
        data=_data(own),
        published=own.published,
        notes=report.notes,
        verified=verified_text(list(outcomes.values()), len(own.runs)),
    )


def _data(own: OwnChecks) -> str:
    words = {Level.DATA: "images equal", Level.LISTS: "lists equal", Level.NOTHING: "not compared"}
    found = {words[level]: n for level, n in own.data.items() if n}
    return next(iter(found)) if len(found) == 1 else ", ".join(f"{text}: {n}" for text, n in found.items())


def _summary(report: SubmissionReport, shown: BoardSubmission) -> SubmissionSummary:
    return SubmissionSummary(
        name=report.name,
        digest=report.own.digest,
        who=shown.who,
        accepted=report.accepted,
        runs=shown.runs,
        refusals=report.refusals,
        notes=report.notes,
        verified=shown.verified,
    )
