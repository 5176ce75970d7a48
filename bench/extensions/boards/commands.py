"""`etl-bench board`: a public leaderboard from a folder of submissions, and submissions to it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench._util.words import counted
from bench.cli import AsJson, Commands, options_of, print_json, print_line, remark
from bench.extensions.boards.publishing import build_board, check_submissions, submit_runs
from bench.extensions.boards.verify import verify_board
from datasets_registry import BenchError

if TYPE_CHECKING:
    from bench.extensions.boards.check import SubmissionReport

board_app = Commands(
    no_args_is_help=True, help="Build a public leaderboard from a folder of submissions, and submit runs to one."
)


@board_app.command("build")
@options_of(build_board)
def build(
    *,
    submissions: Path,
    out: Path | None,
    data_root: Path | None,
    images: bool,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with code 1 if a submission is refused.")] = False,
    force: bool,
) -> None:
    """Check all submissions and write the page of their runs, which works offline.

    A run in several submissions counts once, for the one whose name comes first. Refused submissions are left out and
    listed. Results of `board verify` are read from `verified/NAME` beside the submissions' folder NAME.

    Example: etl-bench board build submissions -o site
    """
    page, reports = build_board(submissions, out, data_root=data_root, images=images, force=force)
    accepted = sum(report.accepted for report in reports)
    runs = sum(len(report.added) for report in reports)
    print_line(f"{accepted} of {counted(len(reports), 'submission')} accepted; {counted(runs, 'run')}")
    for report in reports:
        for text in report.refusals:
            remark(f"refused: {report.name}: {text}")
    print_line(str(page))
    raise typer.Exit(1 if strict and accepted < len(reports) else 0)


@board_app.command("verify")
@options_of(verify_board)
def _verify(**options: Any) -> None:
    """Recompute some runs of the submissions that request it; results are in `verified/NAME` beside the folder NAME.

    A hash of the submission's content and the secret selects the runs. Only installed methods are run. The next
    `board build` shows how many runs of each row were recomputed, and whether they agree bit for bit or within
    rounding. Exit code: 0 all are reproduced, 1 some are not, 3 some could not be repeated here.

    Example: etl-bench board verify submissions --secret "$(git rev-parse HEAD)"
    """
    from bench.extensions.boards.repeated_runs import REPRODUCED

    repeated = wrong = missing = 0
    for name, run_id, verdict in verify_board(**options):
        if isinstance(verdict, BenchError):
            missing += 1
            remark(f"{name}: run {run_id} not repeated: {verdict}")
            continue
        repeated += 1
        wrong += verdict.outcome not in REPRODUCED
        print_line(f"{name}: run {run_id} {verdict.outcome}")
        for fault in verdict.faults:
            remark(f"{name}: run {run_id}: {fault}")
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
    """Prepare a submission to a board: a bundle of runs, and submission.toml.

    The command then runs the board's checks on the folder. Failed runs are left out. Exit code: 0 it can be submitted,
    1 a board would refuse it.

    Example: etl-bench board submit submissions/our-lab --who "Our lab" --contact lab@example.org --verify
    """
    bundle, report = submit_runs(folder, **options)
    print_line(f"{counted(bundle.runs, 'run')}, {bundle.bytes / 2**20:.1f} MiB in {folder}")
    _print_report(report)
    raise typer.Exit(0 if report.accepted else 1)


@board_app.command("check")
@options_of(check_submissions)
def _check(as_json: AsJson = False, **options: Any) -> None:
    """Check submissions without executing their code; a board runs the same checks.

    The bundle is opened safely. Scores are recomputed from the predictions. Support images, test images and labels are
    compared with the declared draw: always for synthetic datasets, for others if the data or the split file is on this
    machine. Unmarked oracle results, and weights, precisions and times that cannot be, are refused. Exit code: 0 all
    are accepted, 1 some are refused.

    Example: etl-bench board check submissions/our-lab
    """
    reports = check_submissions(**options)
    if as_json:
        print_json(
            [
                {
                    "name": report.name,
                    "accepted": report.accepted,
                    "digest": report.digest,
                    "runs": len(report.methods),
                    "refusals": report.refusals,
                    "checked": report.checked,
                    "notes": report.notes,
                }
                for report in reports
            ]
        )
    else:
        for report in reports:
            _print_report(report)
        if len(reports) != 1:
            print_line(
                f"{sum(report.accepted for report in reports)} of {counted(len(reports), 'submission')} accepted"
            )
    raise typer.Exit(0 if all(report.accepted for report in reports) else 1)


def _print_report(report: SubmissionReport) -> None:
    """Print the checks, the notes, and the reasons for a refusal."""
    print_line(f"{report.name}: {'accepted' if report.accepted else 'refused'}")
    for text in report.refusals:
        print_line(f"  refused: {text}")
    for text in report.checked:
        print_line(f"  checked: {text}")
    for text in report.notes:
        print_line(f"  note: {text}")
