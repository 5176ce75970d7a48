"""A public leaderboard: its repository, submissions to it, and its page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bench.boards import SubmissionReport

if TYPE_CHECKING:
    from bench.boards import BoardRuns, BoardSummary, Repeated


__all__ = [
    "BuiltBoard", "SubmissionReport", "board_changes", "build_board", "check_submissions", "new_board", "submit_runs",
    "verify_board",
]  # fmt: skip


@dataclass(frozen=True)
class BuiltBoard:
    """Result of a build: page, reports on all submissions, the number checked again, and the changes of the runs."""

    page: Path
    reports: tuple[SubmissionReport, ...]
    checked: int
    runs: BoardRuns
    summary: BoardSummary


def build_board(
    submissions: str | Path,
    site: str | Path = "site",
    *,
    work: Path | None = None,
    data_root: Path | None = None,
    images: bool = True,
    force: bool = False,
) -> BuiltBoard:
    """Check the submissions, collect the runs of accepted submissions, and write the page and `board.json`.

    A refused submission is left out and named on the page with the reasons.

    Args:
        submissions: folder with one subfolder per submission.
        site: folder of the page.
        work: cache of later builds; by default `.board` beside the submissions.
        data_root: folder of the datasets.
        images: show a few images of each available dataset.
        force: replace files of the site that etl-bench did not write.

    Raises UsageError for a site or a work folder in use that etl-bench did not make.
    """
    from bench.boards import BoardRequest, collect_board
    from reports.site.board_page import write_board_page
    from reports.site.build import check_site

    folder = Path(submissions)
    check_site(Path(site), force=force)
    board = collect_board(BoardRequest(folder, Path(site), _work(folder, work), data_root, images, force))
    page, summary = write_board_page(board)
    return BuiltBoard(page, board.reports, board.checked, board.runs, summary)


def board_changes(old: Path, new: Path) -> str:
    """The changes between two sites of a board as Markdown: submissions, rows, ranks and significant differences."""
    from bench.boards import board_diff, read_summary

    return board_diff(read_summary(old), read_summary(new)).rstrip("\n")


def new_board(
    folder: Path, title: str = "Leaderboard", requirement: str | None = None, *, force: bool = False
) -> list[Path]:
    """Create the repository of a board in a new folder and return the written files.

    `requirement` is what pip installs in the CI; without it, a line to fill in is written. Raises BoardError for a
    folder in use, unless `force`, which replaces files of the same names.
    """
    from bench.boards import write_template
    from bench.results import check_output_folder

    check_output_folder(folder, "DIR")
    return list(write_template(folder, title, requirement, force=force))


def verify_board(
    submissions: Path,
    secret: str,
    *,
    names: Sequence[str] = (),
    count: int | None = None,
    work: Path | None = None,
    data_root: Path | None = None,
    backbones: Sequence[str] = (),
) -> Iterator[Repeated]:
    """Repeat some runs of the submissions that ask for it, one after the other; see `etl-bench board verify`."""
    from bench.boards import BoardRequest, repeat_drawn_runs
    from bench.sweep import local_weights

    request = BoardRequest(submissions, Path("site"), _work(submissions, work), data_root)
    return repeat_drawn_runs(request, secret, names=list(names), count=count, weights=local_weights(backbones))


@dataclass(frozen=True)
class Submitted:
    """A written submission: its number of runs, its size, and the report of the board's checks on it."""

    runs: int
    bytes: int
    report: SubmissionReport


def submit_runs(
    folder: Path,
    *,
    who: str,
    contact: str,
    licence: str = "CC-BY-4.0",
    code: str = "",
    notes: str = "",
    verify: bool = False,
    runs: Path,
    where: str | None = None,
    data_root: Path | None = None,
    force: bool = False,
) -> Submitted:
    """Write a submission of the completed runs that satisfy an SQL condition, and check it as a board does.

    Raises SubmissionError for files of the submission that `submit_runs` did not write, unless `force`.
    """
    from bench.api.stored_runs import chosen_runs
    from bench.boards import Checks, DataChecks, build_facts, compare_with_others, prepare_submission
    from bench.results import Shards

    facts = build_facts(
        who=who,
        contact=contact,
        licence=licence,
        code=code,
        notes=notes,
        verify=verify,
        submitted=datetime.now(UTC).replace(microsecond=0),
    )
    done = prepare_submission(folder, Shards(runs), chosen_runs(runs, where, completed=True), facts, force=force)
    report = compare_with_others(Checks(DataChecks(data_root)).own(folder), ())
    return Submitted(done.runs, done.bytes, report)


def check_submissions(
    folder: Path, *, against: Path | None = None, data_root: Path | None = None
) -> list[SubmissionReport]:
    """The reports of a board's checks on a submission, or on each submission in a folder. Executes no code of them.

    `against` is a folder of earlier submissions, with which a single submission is compared.
    """
    from bench.boards import (
        Checks,
        DataChecks,
        compare_with_others,
        first_seen,
        is_submission,
        reports,
        submission_folders,
    )

    checks = Checks(DataChecks(data_root))
    if not is_submission(folder):
        found = [checks.own(item) for item in submission_folders(folder)]
        return reports(found, first_seen(folder, found))
    own = checks.own(folder)
    if against is None:
        return [compare_with_others(own, ())]
    board = [checks.own(item) for item in submission_folders(against)]
    seen = first_seen(against, board)
    accepted = [report.own for report in reports(board, seen) if report.accepted]
    return [compare_with_others(own, accepted, replace(seen, newcomer=own.name))]


def _work(submissions: Path, work: Path | None) -> Path:
    return work or submissions.parent / ".board"
