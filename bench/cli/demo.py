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
    quick: Annotated[bool, typer.Option("--quick", help="Three datasets, four methods, one seed.")] = False,
    runs: opt.WrittenRuns = Path("runs/demo"),
    site: Annotated[Path, typer.Option("--site", help="Folder of the report.")] = Path("site"),
    curve: Annotated[bool, typer.Option("--curve", help="Also record the accuracy during each training.")] = False,
    cache: opt.Cache = None,
    jobs: opt.Jobs = None,
    runner: opt.RunnerName = "bench.experiment.runner",
    force: opt.Force = False,
) -> None:
    """Run eleven methods on eleven synthetic datasets with the included backbone and build the report; no download.

    Each method trains briefly (`--recipe demo`) with three seeds on six images per class and is tested on ten. This
    takes about two minutes on two cores. The command then prints a small leaderboard, its main finding and two commands
    to try next.
    """
    from bench.api import (
        demo_request,
        open_progress,
        report_failures,
        report_request,
        run_request,
        sweep_result,
        write_report,
    )

    page = report_request(runs, site / "index.html", one_file=False, force=force)
    request = demo_request(quick=quick, curve=curve, runs=runs, cache=cache, jobs=jobs, runner=runner)
    log = open_progress()
    outcome = run_request(request, log)
    report_failures(outcome, log)
    if not outcome.summary.interrupted:
        done = write_report(page)
        for note in done.notes:
            remark(note)
        print_answer(sweep_result(outcome, runs))
        print_line(f"\nReport: {done.page}\nNext:")
        for command in next_commands(runs, quick=quick):
            print_line(f"  {command}")
    raise typer.Exit(outcome.exit_code)


def next_commands(runs: Path, *, quick: bool) -> list[str]:
    """Two commands on the demo's runs: a paired comparison and, with several seeds, the tests of the claims."""
    found = "etl-bench" if shutil.which("etl-bench") else sys.argv[0]
    program = found if Path(found).stem == "etl-bench" else f"{sys.executable} -m bench"
    first, second = ("coop zero_shot", "leaderboard") if quick else ("apex vpt_text_adapter", "papers claims")
    return [f"{program} {command} --runs {shlex.quote(str(runs))}" for command in (f"compare {first}", second)]
