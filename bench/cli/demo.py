"""`etl-bench demo`: runs the whole benchmark on a small backbone and synthetic datasets, without a download."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from bench.cli import _options as opt
from bench.cli._answer import print_answer
from bench.cli._print import print_line, remark


def demo(
    quick: Annotated[bool, typer.Option("--quick", help="Three datasets, a few methods, one seed.")] = False,
    runs: opt.WrittenRuns = Path("runs/demo"),
    site: Annotated[Path, typer.Option("--site", help="Folder of the report.")] = Path("site"),
    curve: Annotated[bool, typer.Option("--curve", help="Also record the accuracy during each training.")] = False,
    cache: opt.Cache = None,
    jobs: opt.Jobs = None,
    runner: opt.RunnerName = "bench.experiment.runner",
    force: opt.Force = False,
) -> None:
    """Compare methods on eleven synthetic datasets with the included backbone and build the report; no download.

    First few-shot learning: methods train on six images of each class and are tested on the same classes. Then
    base-to-new: they train on half of the classes and are tested on the other half, too. Each method trains briefly
    (`--recipe demo`) with two seeds. This takes about three minutes on two cores. The command then prints both
    leaderboards, their main findings and two commands to try next.
    """
    from bench.api import (
        demo_requests,
        open_progress,
        report_failures,
        report_request,
        run_request,
        sweep_result,
        write_report,
    )

    page = report_request(runs, site / "index.html", one_file=False, force=force)
    log, outcomes = open_progress(), []
    for request in demo_requests(quick=quick, curve=curve, runs=runs, cache=cache, jobs=jobs, runner=runner):
        outcomes.append(run_request(request, log))
        report_failures(outcomes[-1], log)
        if outcomes[-1].summary.interrupted:
            raise typer.Exit(outcomes[-1].exit_code)
    done = write_report(page)
    for note in done.notes:
        remark(note)
    for outcome in outcomes:
        print_answer(sweep_result(outcome, runs))
        print_line("")
    print_line(f"Report: {done.page}\nNext:")
    for command in next_commands(runs):
        print_line(f"  {command}")
    raise typer.Exit(max(outcome.exit_code for outcome in outcomes))


def next_commands(runs: Path) -> list[str]:
    """A paired comparison of two methods of the demo, and the tables of a paper, as commands."""
    found = "etl-bench" if shutil.which("etl-bench") else sys.argv[0]
    program = found if Path(found).stem == "etl-bench" else f"{sys.executable} -m bench"
    pair = "compare linear_probe clip_adapter"
    return [f"{program} {pair} --runs {shlex.quote(str(runs))}", f"{program} papers reproduce apex --on synthetic"]
