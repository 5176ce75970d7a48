"""`etl-bench run`: computes every combination of the options that has no result yet."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli._print import print_json, print_line, print_table, print_text, remark
from bench.cli._request_options import takes_request
from bench.table import Table

if TYPE_CHECKING:
    from bench.api import SweepOutcome

_output = partial(typer.Option, rich_help_panel="Output")


@takes_request
def run_command(
    context: typer.Context,  # noqa: ARG001  the wrapper reads which options were given
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[SWEEP.toml]",
            help="File of these options. Typed options override the file; the file overrides environment variables.",
        ),
    ] = None,
    *,
    given: dict[str, Any],
    environment: dict[str, Any],
    dry_run: Annotated[bool, _output("--dry-run", help="Show the plan and write nothing.")] = False,
    print_toml: Annotated[
        bool, _output("--print-toml", help="Print these options as a sweep file and run nothing.")
    ] = False,
    log: Annotated[
        str,
        _output(
            "--log",
            help="Progress on standard error: auto (live on a terminal, lines elsewhere), live, plain, json, none.",
        ),
    ] = "auto",
    as_json: Annotated[bool, _output("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Run methods on datasets, over shots and seeds. Finished runs are skipped.

    A repeated command computes missing and failed runs. Several sweeps in one folder share the work, also from several
    machines. Zero-shot runs do not depend on shots or seed and are computed once per dataset. Ctrl-C once finishes the
    current runs; twice stops at once. Exit code: 0 all done, 1 some runs failed, 2 wrong usage, 3 done except runs that
    cannot run, 130 interrupted.

    Example: etl-bench run -m coop,apex -d 'spectrum_*' --shots 1,2,4,8,16 --seeds 3

    Example: etl-bench run -m coop,apex -d imagenet -b ViT-B-16.openai --protocol cross-dataset --targets eurosat,dtd

    Example: etl-bench run sweep.toml --device all
    """
    from bench.api import (
        open_progress,
        plan_request,
        report_failures,
        run_request,
        sweep_facts,
        sweep_line,
        sweep_request,
        sweep_toml,
        unfinished_sweeps,
    )

    if print_toml:
        print_line(sweep_toml(sweep_request(file, **given)).rstrip())
        return
    request = sweep_request(file, environment, **given)
    say = open_progress(log)
    if dry_run:
        plan = plan_request(request, say)
        labels = plan.labels
        rows = [{"run_id": spec.run_id, "run": labels[spec.run_id], "backbone": spec.backbone} for spec in plan.pending]
        print_table(Table(rows), as_json=as_json)
        raise typer.Exit(plan.exit_code)
    outcome = run_request(request, say)
    if as_json:
        print_json(sweep_facts(outcome))
    elif line := sweep_line(outcome, request.runs):
        print_line(line)
        if outcome.summary.interrupted:
            for sweep in unfinished_sweeps(request.runs):
                remark(str(sweep))
        elif outcome.summary.unwritten is None and not outcome.summary.held:
            _answer(request.runs, outcome)
    report_failures(outcome, say)
    raise typer.Exit(outcome.exit_code)


def _answer(runs: Path, outcome: "SweepOutcome") -> None:
    """Print the board and the answer of the planned runs, or a note if another process has locked the database."""
    from bench.api import sweep_result
    from bench.errors import StoreLockedError

    results = sweep_result(outcome, runs)
    try:
        if len(results):
            print_table(results.leaderboard())
    except StoreLockedError as error:
        remark(f"note: {error} `etl-bench leaderboard` shows the results.")
        return
    if results.partial:
        print_text("These are the runs of this command. `etl-bench leaderboard` shows all runs of the folder.")
