"""`etl-bench run`: computes every combination of the options that has no result yet."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli import _options as opt
from bench.cli._print import print_json, print_line, print_rows, remark
from bench.cli._request_options import takes_request

if TYPE_CHECKING:
    from bench.sweep import Plan, SweepLog, SweepOutcome

_output = partial(typer.Option, rich_help_panel="Output")


@takes_request
def run(
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
    print_script: Annotated[
        bool, _output("--print-script", help="Write a Slurm submission, print its script and submit nothing.")
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

    Example: etl-bench run sweep.toml --launcher slurm --partition gpu --gpus 1 --time 8:00:00
    """
    from bench.api import carry_out_request
    from bench.sweep import (
        LogStyle,
        SweepRequest,
        job_script,
        make_plan,
        open_log,
        read_sweep_file,
        report_plan,
        sweep_toml,
    )

    chosen = given if file is None else read_sweep_file(file) | given
    if print_toml:
        print_line(sweep_toml(SweepRequest.build(**chosen)).rstrip())
        return
    request = SweepRequest.build(**environment | chosen)
    say = open_log(opt.parse_choice(LogStyle, log, "--log"))
    if dry_run:
        made = make_plan(request, say)
        report_plan(made, request, say)
        rows = [{"run_id": spec.run_id, "run": spec.label(), "backbone": spec.backbone} for spec in made.pending]
        print_rows(rows, ["run_id", "run", "backbone"], as_json=as_json)
        raise typer.Exit(made.exit_code)
    if print_script:
        print_line(job_script(make_plan(request, say), request).rstrip())
        return
    finish(carry_out_request(request, say), request.runs, say, as_json=as_json)


def finish(outcome: "SweepOutcome", runs: Path, say: "SweepLog", *, as_json: bool = False) -> None:
    """Print what a sweep did and end the command with its exit code."""
    from bench.sweep import Outcome, report_failures, unfinished_sweeps

    made, summary = outcome.plan, outcome.summary
    others = sum(not item.here for item in summary.finished)
    if as_json:
        print_json(
            {
                "planned": len(made.specs),
                "done_before": len(made.done),
                "finished": len(summary.finished),
                "by_other_sweeps": others,
                "failed": outcome.failed,
                "stale": made.stale_reasons,
                "refused": [{"what": item.what, "reason": item.reason} for item in made.rejected],
                "interrupted": summary.interrupted,
            }
        )
    elif summary.finished:
        by_others = f" ({others} by other sweeps)" if others else ""
        ok = sum(item.outcome is Outcome.OK for item in summary.finished)
        print_line(f"{ok} finished{by_others}, {len(summary.failures)} failed; in {runs}")
        if summary.interrupted:
            for sweep in unfinished_sweeps(runs):
                remark(str(sweep))
        else:
            _answer(runs, made)
    report_failures(outcome, say)
    raise typer.Exit(outcome.exit_code)


def _answer(runs: Path, made: "Plan") -> None:
    """Print the board and the answer of the planned runs, or a note if another process has locked the database."""
    from bench.api import Results
    from bench.cli._answer import print_answer
    from bench.errors import StoreLockedError
    from bench.results import Shards

    planned = frozenset(spec.run_id for spec in made.specs)
    try:
        print_answer(Results(runs, planned))
    except StoreLockedError as error:
        remark(f"note: {error} `etl-bench leaderboard` shows the results.")
        return
    if any(entry.run_id not in planned for entry in Shards(runs).scan()):
        print_line("These are the runs of this command. `etl-bench leaderboard` shows all runs of the folder.")
