"""A public leaderboard: submissions to it, their checks, and its page."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

from bench.api import options
from bench.extensions.boards.errors import BoardError

if TYPE_CHECKING:
    from bench.extensions.boards.check import SubmissionReport
    from bench.results import Exported

SUBMISSIONS = options.Arg("Folder with one subfolder per submission.", metavar="SUBMISSIONS")


def build_board(
    submissions: Annotated[Path | str, SUBMISSIONS],
    out: Annotated[
        Path | str | None,
        options.Opt("Folder of the site. Default: site/NAME beside the submissions' folder NAME.", "-o"),
    ] = None,
    *,
    data_root: options.DataRoot = None,
    images: Annotated[bool, options.Opt("Show a few images of each available dataset.", "--images/--no-images")] = True,
    force: options.Force = False,
) -> tuple[Path, list[SubmissionReport]]:
    """Check the submissions, collect the runs of accepted submissions, and write the page.

    A refused submission is left out and named on the page with the reasons.

    Returns the page, and the reports on all submissions in their order. Raises UsageError for a site in use that
    etl-bench did not make, and BoardError for a folder without submissions.
    """
    from bench.extensions.boards.check import Checks
    from bench.extensions.boards.page import readme_title, write_board_page
    from bench.extensions.boards.repeated_runs import repeated_folder
    from bench.extensions.boards.submission import submission_folders
    from bench.results import check_own_folder
    from reports import PageRequest

    folder, repeated = Path(submissions), repeated_folder(Path(submissions))
    page = Path(out or repeated.parent.with_name("site") / repeated.name) / "index.html"
    check_own_folder(page.parent, "--out", marks=("index.html",), force=force)
    with TemporaryDirectory() as place:
        runs = Path(place)
        checks = Checks(runs, data_root, repeated)
        reports = [checks.add(item) for item in submission_folders(folder)]
        request = PageRequest(runs, page, data_root=data_root, images=images, force=force)
        write_board_page(reports, readme_title(folder), request)
    return page, reports


def submit_runs(
    folder: Annotated[Path, options.Arg("Folder to write; its name is the submission's name.", metavar="DIR")],
    *,
    who: Annotated[str, options.Opt("Authors or laboratory.", metavar="TEXT")],
    contact: Annotated[str, options.Opt("An e-mail address or an https address.")],
    licence: Annotated[str, options.Opt("Licence of the results (SPDX identifier).", metavar="TEXT")] = "CC-BY-4.0",
    code: Annotated[str, options.Opt("URL of the code that made the runs.")] = "",
    notes: Annotated[str, options.Opt("One line for readers.", metavar="TEXT")] = "",
    verify: Annotated[bool, options.Opt("Ask the board to recompute some of the runs.")] = False,
    runs: options.Runs = "runs",
    where: options.Where = None,
    data_root: options.DataRoot = None,
    force: options.Force = False,
) -> tuple[Exported, SubmissionReport]:
    """Write a submission of the completed runs that satisfy an SQL condition, and check it as a board does.

    Returns what its bundle holds, and the report of the board's checks on it. Raises BoardError for files in the folder
    that `submit_runs` did not write, unless `force` and they are those of a submission.
    """
    from bench.api import chosen_runs
    from bench.extensions.boards.submission import check_new, prepare_submission, read_facts
    from bench.results import Shards

    values = {"who": who, "contact": contact, "licence": licence, "code": code, "notes": notes, "verify": verify}
    facts = read_facts(values | {"submitted": datetime.now(UTC).replace(microsecond=0)}, "Wrong option")
    chosen = chosen_runs(Path(runs), where, completed=True)
    check_new(folder, force=force)
    exported = prepare_submission(folder, Shards(Path(runs)), chosen, facts)
    (report,) = check_submissions(folder, data_root=data_root)
    return exported, report


def check_submissions(
    folder: Annotated[Path, options.Arg("A submission, or a folder of submissions.", metavar="DIR")],
    *,
    data_root: options.DataRoot = None,
) -> list[SubmissionReport]:
    """The reports of a board's checks on a submission, or on each submission in a folder. Executes no code of them."""
    from bench.extensions.boards.check import Checks
    from bench.extensions.boards.submission import is_submission, submission_folders

    if not folder.is_dir():
        raise BoardError(f"There is no folder {folder}; give a submission, or the folder of all submissions.")
    with TemporaryDirectory() as runs:
        checks = Checks(Path(runs), data_root)
        return [checks.add(item) for item in ([folder] if is_submission(folder) else submission_folders(folder))]
