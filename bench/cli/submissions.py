"""`etl-bench submissions`: checks submissions to a board."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench._util.words import counted
from bench.cli import _options as opt
from bench.cli._print import print_json, print_line

if TYPE_CHECKING:
    from bench.boards import Report

submissions_app = typer.Typer(no_args_is_help=True, help="Check submissions to a board; see also `submit` and `board`.")


@submissions_app.callback()
def _group() -> None:
    pass


@submissions_app.command("check")
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A submission, or a folder of submissions.")],
    against: Annotated[
        Path | None,
        typer.Option("--against", help="Folder of the board's submissions, to compare this submission with."),
    ] = None,
    data_root: opt.DataRoot = None,
    as_json: opt.AsJson = False,
) -> None:
    """Check submissions without executing their code; a board runs the same checks.

    The bundle is opened safely. Scores are recomputed from the predictions. Support images, test images and labels are
    compared with the declared draw: always for synthetic datasets, for others if the data or the split file is on this
    machine. The check also refuses logits that equal those of another method or draw, accuracies above the oracle's,
    and unmarked oracle results. Exit code: 0 all are accepted, 1 some are refused.

    Example: etl-bench submissions check submissions/our-lab --against submissions
    """
    from bench.boards import Checks, DataChecks, compare_with_earlier, is_submission, reports, submission_folders

    checks = Checks(DataChecks(data_root))
    if is_submission(folder):
        own = checks.own(folder)
        others = [] if against is None else [item for item in submission_folders(against) if item.name != own.name]
        earlier = [report.own for report in reports([checks.own(item) for item in others]) if report.accepted]
        found = [compare_with_earlier(own, earlier, newcomer=True)]
    else:
        found = reports([checks.own(item) for item in submission_folders(folder)])
    if as_json:
        print_json([plain(report) for report in found])
    else:
        for report in found:
            print_report(report)
        if len(found) != 1:
            print_line(f"{sum(report.accepted for report in found)} of {counted(len(found), 'submission')} accepted")
    raise typer.Exit(0 if all(report.accepted for report in found) else 1)


def print_report(report: Report) -> None:
    """Print the checks, the notes, and the reasons for a refusal."""
    print_line(f"{report.name}: {'accepted' if report.accepted else 'refused'}")
    for text in report.refusals:
        print_line(f"  refused: {text}")
    for text in report.own.checked:
        print_line(f"  checked: {text}")
    for text in report.notes:
        print_line(f"  note: {text}")


def plain(report: Report) -> dict[str, object]:
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
