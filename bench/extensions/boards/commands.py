"""`etl-bench board`: a public leaderboard from a folder of submissions, and submissions to it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench._util.words import counted
from bench.cli import AsJson, Commands, options_of, print_json, print_line, print_rows, remark
from bench.extensions.boards.publishing import (
    board_changes,
    build_board,
    check_submissions,
    list_submissions,
    new_board,
    submit_runs,
    verify_board,
)

if TYPE_CHECKING:
    from bench.extensions.boards.comparison import SubmissionReport

board_app = Commands(
    no_args_is_help=True, help="Build a public leaderboard from a folder of submissions, and submit runs to one."
)


@board_app.command("list")
@options_of(list_submissions)
def _list_command(as_json: AsJson = False, **options: Any) -> None:
    """List the submissions of a board with what they state about themselves; `board check` checks them.

    Example: etl-bench board list submissions
    """
    rows, problems = list_submissions(**options)
    columns = ["name", "who", "submitted", "licence", "verify", "code", "notes", "contact"]
    if not as_json:
        rows = [row | {"submitted": f"{row['submitted']:%Y-%m-%d %H:%M}"} for row in rows]
    print_rows(rows, columns, as_json=as_json)
    for problem in problems:
        remark(f"left out: {problem}")


@board_app.command("init")
@options_of(new_board)
def init(folder: Path, requirement: str | None, **options: Any) -> None:
    """Create the repository of a board: README, submissions folder, and CI for GitHub and GitLab.

    The CI checks pull requests without secrets, comments on what they change, and publishes the page.

    Example: etl-bench board init our-board --title "Our board"
    """
    for path in new_board(folder, requirement=requirement, **options):
        print_line(str(path))
    if requirement is None:
        remark(f"Next: write into {folder / 'requirements.txt'} where pip gets clip-etl-bench.")


@board_app.command("build")
@options_of(build_board)
def build(
    *,
    submissions: Path,
    out: Path | None,
    work: Path | None,
    data_root: Path | None,
    images: bool,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with code 1 if a submission is refused.")] = False,
    force: bool,
) -> None:
    """Check all submissions and write the page of their runs, which works offline, and board.json.

    Unchanged submissions are not checked again. A run in several submissions counts once, for the one that came with it
    first by the history of the repository, never by a date; without a history, for the first name.
    Refused submissions are left out and listed. Results of `board verify` are read from `verified/NAME` beside the
    submissions' folder NAME.

    Example: etl-bench board build submissions -o site
    """
    done = build_board(submissions, out, work=work, data_root=data_root, images=images, force=force)
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
@options_of(board_changes)
def _diff(**options: Any) -> None:
    """Print the changes between two boards as Markdown: submissions, rows, ranks, and pairs that differ significantly.

    Example: etl-bench board diff site-of-main site
    """
    print_line(board_changes(**options))


@board_app.command("verify")
@options_of(verify_board)
def _verify(**options: Any) -> None:
    """Recompute some runs of the submissions that request it; results are in `verified/NAME` beside the folder NAME.

    A hash of the submission's content and the secret selects the runs. Only installed methods are run. The next
    `board build` shows how many runs of each row were recomputed, and whether they agree bit for bit or within
    rounding. Exit code: 0 all are reproduced, 1 some are not, 3 some could not be repeated here.

    Example: etl-bench board verify submissions --secret "$(git rev-parse HEAD)"
    """
    repeated = wrong = missing = 0
    for done in verify_board(**options):
        if done.verdict is None:
            missing += 1
            remark(f"{done.submission}: run {done.run_id} not repeated: {done.problem}")
            continue
        repeated += 1
        wrong += not done.reproduced
        print_line(f"{done.submission}: run {done.run_id} {done.verdict.outcome}")
        for fault in done.verdict.faults:
            remark(f"{done.submission}: run {done.run_id}: {fault}")
    if repeated:
        remark(
            f"{repeated - wrong} of {counted(repeated, 'run')} reproduced. `etl-bench board build` shows the results."
        )
    elif not missing:
        remark("Nothing to recompute: no accepted submission requests it and lacks results. --submission names one.")
    raise typer.Exit(1 if wrong else 3 if missing else 0)


@board_app.command("submit")
@options_of(submit_runs)
def _submit(folder: Path, **options: Any) -> None:
    """Prepare a submission to a board: a bundle of runs, cards of their methods, and submission.toml.

    The command then runs the board's checks on the folder. Failed runs are left out. If it is repeated, licence, code,
    notes and verify keep their value in submission.toml unless they are given again. Exit code: 0 it can be submitted,
    1 a board would refuse it.

    Example: etl-bench board submit submissions/our-lab --who "Our lab" --contact lab@example.org --verify
    """
    done = submit_runs(folder, **options)
    print_line(f"{counted(done.runs, 'run')}, {done.bytes / 2**20:.1f} MiB in {folder}")
    _print_report(done.report)
    raise typer.Exit(0 if done.report.accepted else 1)


@board_app.command("check")
@options_of(check_submissions)
def _check(as_json: AsJson = False, **options: Any) -> None:
    """Check submissions without executing their code; a board runs the same checks.

    The bundle is opened safely. Scores are recomputed from the predictions. Support images, test images and labels are
    compared with the declared draw: always for synthetic datasets, for others if the data or the split file is on this
    machine. The check also refuses logits that equal those of another method or draw, accuracies above the oracle's,
    and unmarked oracle results. Exit code: 0 all are accepted, 1 some are refused.

    Example: etl-bench board check submissions/our-lab --against submissions
    """
    found = check_submissions(**options)
    if as_json:
        print_json([plain(report) for report in found])
    else:
        for report in found:
            _print_report(report)
        if len(found) != 1:
            print_line(f"{sum(report.accepted for report in found)} of {counted(len(found), 'submission')} accepted")
    raise typer.Exit(0 if all(report.accepted for report in found) else 1)


def _print_report(report: SubmissionReport) -> None:
    """Print the checks, the notes, and the reasons for a refusal."""
    print_line(f"{report.name}: {'accepted' if report.accepted else 'refused'}")
    for text in report.refusals:
        print_line(f"  refused: {text}")
    for text in report.own.checked:
        print_line(f"  checked: {text}")
    for text in report.notes:
        print_line(f"  note: {text}")


def plain(report: SubmissionReport) -> dict[str, object]:
    """A report as JSON values, without the facts of single runs."""
    return {
        "name": report.name,
        "accepted": report.accepted,
        "digest": report.own.digest,
        "runs": len(report.own.runs),
        "refusals": list(report.refusals),
        "checked": list(report.own.checked),
        "notes": list(report.notes),
    }
