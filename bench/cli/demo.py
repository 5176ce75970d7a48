"""`etl-bench demo`: runs the whole benchmark on a small backbone and synthetic datasets, without a download."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import typer

from bench.api import run_demo
from bench.cli._options_of import options_of
from bench.cli._print import print_line, print_table, remark


@options_of(run_demo)
def demo(runs: Path, **options: Any) -> None:
    """Compare methods on eleven synthetic datasets with the included backbone and build the report; no download.

    First few-shot learning: methods train on six images of each class and are tested on the same classes. Then
    base-to-new on six of the datasets: prompts train on half of the classes and are tested on the other half, too.
    Each method trains briefly (`--recipe demo`) with three seeds. This takes about three minutes on two cores. The
    command then prints both leaderboards, their main findings and two commands to try next.
    """
    outcome = run_demo(runs=runs, **options)
    if outcome.report is not None:
        for note in outcome.report.notes:
            remark(note)
        for results in outcome.results:
            print_table(results.leaderboard())
            print_line("")
        print_line(f"Report: {outcome.report.page}\nNext:")
        for command in next_commands(runs):
            print_line(f"  {command}")
    raise typer.Exit(outcome.exit_code)


def next_commands(runs: Path) -> list[str]:
    """A paired comparison of two methods of the demo, and the tables of a paper, as commands."""
    command_name = "etl-bench" if shutil.which("etl-bench") else sys.argv[0]
    program = command_name if Path(command_name).stem == "etl-bench" else f"{sys.executable} -m bench"
    pair = "compare linear_probe clip_adapter"
    return [f"{program} {pair} --runs {shlex.quote(str(runs))}", f"{program} papers reproduce apex --on synthetic"]
