"""`etl-bench board`: a public leaderboard from a folder of submissions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench._util.words import counted
from bench.cli import _options as opt
from bench.cli._print import print_line, remark
from bench.results import check_output_file, check_output_folder

board_app = typer.Typer(
    no_args_is_help=True,
    help="Build a public leaderboard from a folder of submissions; see also `submit` and `submissions`.",
)

Submissions = Annotated[Path, typer.Argument(metavar="SUBMISSIONS", help="Folder with one subfolder per submission.")]
Work = Annotated[
    Path | None,
    typer.Option("--work", help="Cache folder of later builds. Default: .board beside the submissions."),
]


@board_app.command("build")
def build(
    submissions: Submissions,
    site: Annotated[Path, typer.Option("-o", "--site", help="Folder of the site.")] = Path("site"),
    work: Work = None,
    data_root: opt.DataRoot = None,
    images: Annotated[
        bool, typer.Option("--images/--no-images", help="Show a few images of each available dataset.")
    ] = True,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with code 1 if a submission is refused.")] = False,
) -> None:
    """Check all submissions and write the page of their runs, which works offline, and board.json.

    Unchanged submissions are not checked again. A run in several submissions counts once, for the first of them.
    Refused submissions are left out and listed. Results of `board verify` are read from the folder `verified` beside
    the submissions.

    Example: etl-bench board build submissions -o site
    """
    from bench.api import build_board
    from bench.boards import BoardRequest
    from reports.site.run_files import check_page

    check_output_file(site / "index.html", "--site")
    check_page(site / "index.html")
    kept = work or submissions.parent / ".board"
    check_output_folder(kept, "--work")
    done = build_board(BoardRequest(submissions, site, kept, data_root, images))
    accepted = sum(report.accepted for report in done.reports)
    print_line(
        f"{accepted} of {counted(len(done.reports), 'submission')} accepted, {done.checked} checked now; "
        f"{counted(len(done.runs.owner), 'run')}, {done.runs.added} added, {done.runs.removed} removed"
    )
    for report in done.reports:
        for text in report.refusals:
            remark(f"refused: {report.name}: {text}")
    print_line(str(done.page))
    raise typer.Exit(1 if strict and accepted < len(done.reports) else 0)


@board_app.command("diff")
def diff(
    old: Annotated[Path, typer.Argument(help="Old site: a folder that `board build` wrote.")],
    new: Annotated[Path, typer.Argument(help="New site.")],
) -> None:
    """Print the changes between two boards as Markdown: submissions, rows, ranks, and pairs that differ significantly.

    Example: etl-bench board diff site-of-main site
    """
    from bench.boards import board_diff, read_summary

    print_line(board_diff(read_summary(old), read_summary(new)).rstrip("\n"))


@board_app.command("init")
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the repository; existing files are kept.")],
    title: Annotated[str, typer.Option("--title", help="Heading of its README.")] = "Leaderboard",
    requirement: Annotated[
        str | None,
        typer.Option("--requirement", help="Requirement that pip installs in the CI. Default: a line to fill in."),
    ] = None,
) -> None:
    """Create the repository of a board: README, submissions folder, and CI for GitHub and GitLab.

    The CI checks pull requests without secrets, comments on what they change, and publishes the page.

    Example: etl-bench board init our-board --title "Our board"
    """
    from bench.boards import write_template

    check_output_folder(folder, "DIR")
    for path in write_template(folder, title, requirement):
        print_line(str(path))
    if requirement is None:
        remark(f"Next: write into {folder / 'requirements.txt'} where pip gets clip-etl-bench.")


@board_app.command("verify")
def verify(
    submissions: Submissions,
    secret: Annotated[
        str,
        typer.Option("--secret", help="Text that submitters could not know, such as the hash of the merge commit."),
    ],
    names: Annotated[
        list[str], typer.Option("--submission", help="Verify this one, even if it did not request it. Repeatable.")
    ] = [],  # noqa: B006
    count: Annotated[
        int | None, typer.Option("--runs", min=1, help="Runs per submission. Default: 2 %, at least three.")
    ] = None,
    work: Work = None,
    data_root: opt.DataRoot = None,
    backbones: opt.Backbones = [opt.DEMO_BACKBONE],  # noqa: B006
) -> None:
    """Recompute some runs of the submissions that request it, and write the results to `verified` beside them.

    A hash of the submission's content and the secret selects the runs. Only installed methods are run. The next
    `board build` shows how many runs of each row were recomputed, and whether they agree bit for bit or within
    rounding. Exit code: 0 all are reproduced, 1 some are not, 3 some could not be repeated here.

    Example: etl-bench board verify submissions --secret "$(git rev-parse HEAD)"
    """
    from bench.boards import REPRODUCED, BoardRequest, verify_board
    from bench.sweep import local_weights

    kept = work or submissions.parent / ".board"
    request = BoardRequest(submissions, Path("site"), kept, data_root)
    weights = local_weights(opt.split_list(backbones))
    wrong = missing = 0
    for done in verify_board(request, secret, names=opt.split_list(names), count=count, weights=weights):
        if done.verdict is None:
            missing += 1
            remark(f"{done.submission}: run {done.run_id} not repeated: {done.problem}")
            continue
        wrong += done.verdict.outcome not in REPRODUCED
        print_line(f"{done.submission}: run {done.run_id} {done.verdict.outcome}")
        for fault in done.verdict.faults:
            remark(f"{done.submission}: run {done.run_id}: {fault}")
    raise typer.Exit(1 if wrong else 3 if missing else 0)
