"""Builds the static site of a board from a folder of submissions; unchanged submissions are not checked again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import bench
from bench._util.files import write_atomically
from bench.boards.board_runs import VERIFIED, BoardRuns, KeptChecks, read_verified, update_runs
from bench.boards.submissions.check import Report, reports
from bench.boards.submissions.submission import submission_folders
from bench.boards.summary import FILE, BoardSummary, SubmissionSummary, summarise_settings, verified_text
from reports.site.build import PageRequest, write_page
from reports.views import SiteView, SubmissionView


@dataclass(frozen=True)
class BoardRequest:
    """A board to build.

    Args:
        submissions: folder of submissions.
        out: folder of the site.
        work: folder for results of checks, the runs and their database; a later build uses them again.
        data_root: folder of datasets to compare draws and labels with.
        cache: folder for slow parts of the page.
        images: whether the page shows example images of datasets.
    """

    submissions: Path
    out: Path
    work: Path
    data_root: Path | None = None
    cache: Path | None = None
    images: bool = True


@dataclass(frozen=True)
class Built:
    """Result of a build: page, reports on all submissions, the number checked again, and the changes of the runs."""

    page: Path
    reports: tuple[Report, ...]
    checked: int
    runs: BoardRuns
    summary: BoardSummary


def build_board(request: BoardRequest) -> Built:
    """Check the submissions, collect the runs of accepted submissions, and write the page and `board.json`.

    A refused submission is left out and named on the page with the reasons.
    """
    kept = KeptChecks(request.work / "checked", request.data_root)
    verified = request.submissions.parent / VERIFIED
    found = [
        _without_invalid(report, read_verified(verified, report.own))
        for report in reports(kept.all(submission_folders(request.submissions)))
    ]
    accepted = [report.own for report in found if report.accepted]
    outcomes = {own.name: read_verified(verified, own) for own in accepted}
    runs = update_runs(request.work / "runs", request.submissions, accepted, outcomes)
    views = tuple(_view(report, runs, outcomes.get(report.name, {})) for report in found)
    by_run = {
        run: outcome for name, item in outcomes.items() for run, outcome in item.items() if runs.owner[run] == name
    }
    page = PageRequest(
        request.work / "runs",
        request.out / "index.html",
        data_root=request.data_root,
        images=request.images,
        with_run_files=True,
        cache=request.cache,
        finish=lambda view: _marked(view, views, by_run),
    )
    view = write_page(page)
    summary = BoardSummary(
        package_version=bench.__version__,
        submissions=tuple(_summary(report, view) for report, view in zip(found, views, strict=True)),
        settings=summarise_settings(view.boards, dict(runs.owner)),
    )
    write_atomically(request.out / FILE, summary.model_dump_json(indent=1).encode())
    return Built(page.out, tuple(found), kept.repeated, runs, summary)


def _without_invalid(report: Report, outcomes: Mapping[str, str]) -> Report:
    """The report, refused if a repetition showed that a run cannot come from its data."""
    wrong = sorted(run for run, outcome in outcomes.items() if outcome == "invalid")
    if not wrong:
        return report
    reason = f"the repetition of run {wrong[0]} shows that it cannot come from its data"
    return report.model_copy(update={"accepted": False, "refusals": (*report.refusals, reason)})


def _marked(view: SiteView, submissions: Sequence[SubmissionView], outcomes: Mapping[str, str]) -> SiteView:
    """The page with its submissions; rows show how many of their runs were recomputed."""
    boards = []
    for board in view.boards:
        entries = tuple(
            replace(entry, verified=text) if text else entry
            for entry in board.entries
            for text in [verified_text([outcomes[run] for run in entry.run_ids if run in outcomes], len(entry.run_ids))]
        )
        boards.append(replace(board, entries=entries))
    return replace(view, boards=tuple(boards), submissions=tuple(submissions))


def _view(report: Report, runs: BoardRuns, outcomes: Mapping[str, str]) -> SubmissionView:
    own, facts = report.own, report.own.facts
    return SubmissionView(
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
        checked=(*own.checked, *report.notes),
        verified=verified_text(list(outcomes.values()), len(own.runs)),
    )


def _summary(report: Report, view: SubmissionView) -> SubmissionSummary:
    return SubmissionSummary(
        name=report.name,
        digest=report.own.digest,
        who=view.who,
        accepted=report.accepted,
        runs=view.runs,
        refusals=report.refusals,
        notes=report.notes,
        verified=view.verified,
    )
