"""A public leaderboard: its repository, submissions to it, and its page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from bench.api import options
from bench.extensions.boards.errors import SubmissionError
from bench.sweep import DEMO_BACKBONE, split_list

if TYPE_CHECKING:
    from bench.extensions.boards.board_runs import BoardRuns
    from bench.extensions.boards.comparison import SubmissionReport
    from bench.extensions.boards.summary import BoardSummary
    from bench.extensions.boards.verify import Repeated

SUBMISSIONS = options.Arg("Folder with one subfolder per submission.", metavar="SUBMISSIONS")
Work = Annotated[
    Path | None,
    options.Opt(
        "Cache folder of later builds, used for nothing else. Default: .board/NAME beside the submissions' folder NAME."
    ),
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
    out: Annotated[
        Path | str | None,
        options.Opt("Folder of the site. Default: site/NAME beside the submissions' folder NAME.", "-o"),
    ] = None,
    *,
    work: Work = None,
    data_root: options.DataRoot = None,
    images: Annotated[bool, options.Opt("Show a few images of each available dataset.", "--images/--no-images")] = True,
    force: options.Force = False,
) -> BuiltBoard:
    """Check the submissions, collect the runs of accepted submissions, and write the page and `board.json`.

    A refused submission is left out and named on the page with the reasons.

    Raises UsageError for a site or a work folder in use that etl-bench did not make.
    """
    from bench.extensions.boards.board_runs import board_folder
    from bench.extensions.boards.build import collect_board, readme_title
    from bench.extensions.boards.page import write_board_page
    from bench.extensions.boards.submissions.submission import submission_folders
    from bench.results import check_own_folder
    from reports import PageRequest

    folder = Path(submissions)
    page = Path(out or board_folder(folder, "site")) / "index.html"
    check_own_folder(page.parent, "--out", marks=("index.html",), force=force)
    submission_folders(folder)  # raises before the work folder is made
    work = _work(folder, work)
    board = collect_board(folder, work, data_root)
    request = PageRequest(work / "runs", page, data_root=data_root, images=images, force=force)
    summary = write_board_page(board, readme_title(folder), request)
    return BuiltBoard(page, board.reports, board.checked, board.runs, summary)


def list_submissions(
    submissions: Annotated[Path, SUBMISSIONS],
) -> tuple[list[dict[str, object]], list[str]]:
    """The facts that each submission states, and why others cannot be read. Nothing is checked."""
    from bench.extensions.boards.submissions.submission import open_submission, submission_folders

    rows, problems = list[dict[str, object]](), []
    for folder in submission_folders(submissions):
        try:
            facts = open_submission(folder).facts
        except SubmissionError as error:
            problems.append(f"{folder.name}: {error}")
        else:
            rows.append({"name": folder.name, **facts.model_dump(exclude={"submission_version"})})
    return rows, problems


def board_changes(
    old: Annotated[Path, options.Arg("Old site: a folder that `board build` wrote.")],
    new: Annotated[Path, options.Arg("New site.")],
) -> str:
    """The changes between two sites of a board as Markdown: submissions, rows, ranks and significant differences."""
    from bench.extensions.boards.summary import board_diff, read_summary

    return board_diff(read_summary(old), read_summary(new)).rstrip("\n")


def new_board(
    folder: Annotated[Path, options.Arg("Folder of the repository: new, empty, or with only .git.", metavar="DIR")],
    title: Annotated[str, options.Opt("Heading of its README.", metavar="TEXT")] = "Leaderboard",
    requirement: Annotated[
        str | None, options.Opt("Requirement that pip installs in the CI. Default: a line to fill in.", metavar="TEXT")
    ] = None,
    *,
    force: options.Force = False,
) -> list[Path]:
    """Create the repository of a board in a new folder and return the written files.

    Raises BoardError for a folder in use, unless `force`, which replaces files of the same names.
    """
    from bench.extensions.boards.template import write_template
    from bench.results import check_output_folder

    check_output_folder(folder, "DIR")
    return list(write_template(folder, title, requirement, force=force))


def verify_board(
    submissions: Annotated[Path, SUBMISSIONS],
    secret: Annotated[str, options.Opt("Text that submitters could not know, such as the hash of the merge commit.")],
    *,
    names: Annotated[
        Sequence[str], options.Opt("Verify this one, even if it did not request it. Repeatable.", "--submission")
    ] = (),
    count: Annotated[
        int | None, options.Opt("Runs per submission. Default: 2 %, at least three.", "--runs", min=1)
    ] = None,
    work: Work = None,
    data_root: options.DataRoot = None,
    backbones: Annotated[Sequence[str], options.Opt(field="backbones")] = (DEMO_BACKBONE,),
) -> Iterator[Repeated]:
    """Repeat some runs of the submissions that ask for it, one after the other; see `etl-bench board verify`."""
    from bench.extensions.boards.verify import repeat_drawn_runs
    from bench.sweep import local_weights

    weights = local_weights(split_list(backbones))
    work, names = _work(submissions, work), split_list(names)
    return repeat_drawn_runs(submissions, work, secret, data_root=data_root, names=names, count=count, weights=weights)


@dataclass(frozen=True)
class Submitted:
    """A written submission: its number of runs, its size, and the report of the board's checks on it."""

    runs: int
    bytes: int
    report: SubmissionReport


def submit_runs(
    folder: Annotated[Path, options.Arg("Folder to write; its name is the submission's name.", metavar="DIR")],
    *,
    who: Annotated[str, options.Opt("Authors or laboratory.", metavar="TEXT")],
    contact: Annotated[str, options.Opt("An e-mail address or an https address.")],
    licence: Annotated[
        str | None, options.Opt("Licence of the results (SPDX identifier). Default: CC-BY-4.0.", metavar="TEXT")
    ] = None,
    code: Annotated[str | None, options.Opt("URL of the code that made the runs.")] = None,
    notes: Annotated[str | None, options.Opt("One line for readers.", metavar="TEXT")] = None,
    verify: Annotated[bool, options.Opt("Ask the board to recompute some of the runs.")] = False,
    runs: options.Runs = "runs",
    where: options.Where = None,
    data_root: options.DataRoot = None,
    force: options.Force = False,
) -> Submitted:
    """Write a submission of the completed runs that satisfy an SQL condition, and check it as a board does.

    What an earlier submission in the folder states stays, unless it is given again.

    Raises SubmissionError for files of the submission that `submit_runs` did not write, and for cards of methods that
    were changed since, unless `force`.
    """
    from bench.api import chosen_runs
    from bench.extensions.boards.comparison import compare_with_others
    from bench.extensions.boards.submissions.check import Checks
    from bench.extensions.boards.submissions.submission import build_facts, earlier_facts, prepare_submission
    from bench.results import Shards

    texts = {"who": who, "contact": contact, "licence": licence, "code": code, "notes": notes, "verify": verify or None}
    given = {name: value for name, value in texts.items() if value is not None}
    usual = {"licence": "CC-BY-4.0", "submitted": datetime.now(UTC).replace(microsecond=0)}
    made = build_facts(**usual | given)  # refuses an option before the folder is read
    chosen = chosen_runs(Path(runs), where, completed=True)
    facts = build_facts(**usual | earlier_facts(folder, force=force) | given | {"submitted": made.submitted})
    done = prepare_submission(folder, Shards(Path(runs)), chosen, facts)
    report = compare_with_others(Checks(data_root).own(folder), ())
    return Submitted(done.runs, done.bytes, report)


def check_submissions(
    folder: Annotated[Path, options.Arg("A submission, or a folder of submissions.", metavar="DIR")],
    *,
    against: Annotated[
        Path | None, options.Opt("Folder of the board's submissions, to compare this submission with.")
    ] = None,
    data_root: options.DataRoot = None,
) -> list[SubmissionReport]:
    """The reports of a board's checks on a submission, or on each submission in a folder. Executes no code of them."""
    from bench.extensions.boards.comparison import compare_with_others, reports
    from bench.extensions.boards.precedence import first_seen
    from bench.extensions.boards.submissions.check import Checks
    from bench.extensions.boards.submissions.submission import is_submission, submission_folders

    checks = Checks(data_root)
    if not folder.is_dir():
        raise SubmissionError(f"There is no folder {folder}; give a submission, or the folder of all submissions.")
    if not is_submission(folder):
        folders = submission_folders(folder)
        if against is not None:
            raise SubmissionError(f"--against {against} has no effect: {folder} is no single submission; leave it out.")
        found = [checks.own(item) for item in folders]
        return reports(found, first_seen(folder, found))
    own = checks.own(folder)
    if against is None:
        return [compare_with_others(own, ())]
    board = [checks.own(item) for item in submission_folders(against)]
    seen = first_seen(against, board)
    accepted = [report.own for report in reports(board, seen) if report.accepted]
    return [compare_with_others(own, accepted, replace(seen, newcomer=own.name))]


def _work(submissions: Path, work: Path | None) -> Path:
    from bench.extensions.boards.board_runs import board_folder

    return work or board_folder(submissions, ".board")
