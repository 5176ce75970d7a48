"""A public leaderboard: its repository, submissions to it, and its page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from bench.api.options import Arg, DataRoot, Force, Opt, Runs, Where
from bench.sweep import DEMO_BACKBONE, split_list

if TYPE_CHECKING:
    from bench.boards import BoardRuns, BoardSummary, Repeated, SubmissionReport

SUBMISSIONS = Arg("Folder with one subfolder per submission.", metavar="SUBMISSIONS")
Work = Annotated[
    Path | None, Opt("Cache folder of later builds, used for nothing else. Default: .board beside the submissions.")
]


@dataclass(frozen=True)
class BuiltBoard:
    """Result of a build: page, reports on all submissions, the number checked again, and the changes of the runs."""

    page: Path
    reports: tuple[SubmissionReport, ...]
    checked: int
    runs: BoardRuns
    summary: BoardSummary


def build_board(
    submissions: Annotated[Path | str, SUBMISSIONS],
    site: Annotated[Path | str, Opt("Folder of the site.", "-o")] = "site",
    *,
    work: Work = None,
    data_root: DataRoot = None,
    images: Annotated[bool, Opt("Show a few images of each available dataset.", "--images/--no-images")] = True,
    force: Force = False,
) -> BuiltBoard:
    """Check the submissions, collect the runs of accepted submissions, and write the page and `board.json`.

    A refused submission is left out and named on the page with the reasons.

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


def board_changes(
    old: Annotated[Path, Arg("Old site: a folder that `board build` wrote.")], new: Annotated[Path, Arg("New site.")]
) -> str:
    """The changes between two sites of a board as Markdown: submissions, rows, ranks and significant differences."""
    from bench.boards import board_diff, read_summary

    return board_diff(read_summary(old), read_summary(new)).rstrip("\n")


def new_board(
    folder: Annotated[Path, Arg("Folder of the repository: new, empty, or with only .git.", metavar="DIR")],
    title: Annotated[str, Opt("Heading of its README.")] = "Leaderboard",
    requirement: Annotated[
        str | None, Opt("Requirement that pip installs in the CI. Default: a line to fill in.")
    ] = None,
    *,
    force: Force = False,
) -> list[Path]:
    """Create the repository of a board in a new folder and return the written files.

    Raises BoardError for a
    folder in use, unless `force`, which replaces files of the same names.
    """
    from bench.boards import write_template
    from bench.results import check_output_folder

    check_output_folder(folder, "DIR")
    return list(write_template(folder, title, requirement, force=force))


def verify_board(
    submissions: Annotated[Path, SUBMISSIONS],
    secret: Annotated[str, Opt("Text that submitters could not know, such as the hash of the merge commit.")],
    *,
    names: Annotated[
        Sequence[str], Opt("Verify this one, even if it did not request it. Repeatable.", "--submission")
    ] = (),
    count: Annotated[int | None, Opt("Runs per submission. Default: 2 %, at least three.", "--runs", min=1)] = None,
    work: Work = None,
    data_root: DataRoot = None,
    backbones: Annotated[Sequence[str], Opt(field="backbones")] = (DEMO_BACKBONE,),
) -> Iterator[Repeated]:
    """Repeat some runs of the submissions that ask for it, one after the other; see `etl-bench board verify`."""
    from bench.boards import BoardRequest, repeat_drawn_runs
    from bench.sweep import local_weights

    request = BoardRequest(submissions, Path("site"), _work(submissions, work), data_root)
    weights = local_weights(split_list(backbones))
    return repeat_drawn_runs(request, secret, names=split_list(names), count=count, weights=weights)


@dataclass(frozen=True)
class Submitted:
    """A written submission: its number of runs, its size, and the report of the board's checks on it."""

    runs: int
    bytes: int
    report: SubmissionReport


def submit_runs(
    folder: Annotated[Path, Arg("Folder to write; its name is the submission's name.", metavar="DIR")],
    *,
    who: Annotated[str, Opt("Authors or laboratory.")],
    contact: Annotated[str, Opt("An e-mail address or an https address.")],
    licence: Annotated[str, Opt("Licence of the results (SPDX identifier).")] = "CC-BY-4.0",
    code: Annotated[str, Opt("URL of the code that made the runs.")] = "",
    notes: Annotated[str, Opt("One line for readers.")] = "",
    verify: Annotated[bool, Opt("Ask the board to recompute some of the runs.")] = False,
    runs: Runs = "runs",
    where: Where = None,
    data_root: DataRoot = None,
    force: Force = False,
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
    chosen = chosen_runs(Path(runs), where, completed=True)
    done = prepare_submission(folder, Shards(Path(runs)), chosen, facts, force=force)
    report = compare_with_others(Checks(DataChecks(data_root)).own(folder), ())
    return Submitted(done.runs, done.bytes, report)


def check_submissions(
    folder: Annotated[Path, Arg("A submission, or a folder of submissions.", metavar="DIR")],
    *,
    against: Annotated[Path | None, Opt("Folder of the board's submissions, to compare this submission with.")] = None,
    data_root: DataRoot = None,
) -> list[SubmissionReport]:
    """The reports of a board's checks on a submission, or on each submission in a folder. Executes no code of them."""
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
