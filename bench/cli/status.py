"""`etl-bench status`: shows the state of all sweeps in a folder, from any shell."""

from pathlib import Path
from typing import Annotated

import typer

from bench._util.words import counted
from bench.cli import _options as opt
from bench.cli._print import print_json, print_line, print_rows

MOST_FAILURES = 10
"""Failed runs that are listed, the newest ones."""


def status(
    runs: opt.Runs = opt.DEFAULT_RUNS,
    as_json: opt.AsJson = False,
    watch: Annotated[
        float | None, typer.Option("--watch", min=0.2, help="Repeat after this many seconds, until Ctrl-C.")
    ] = None,
) -> None:
    """Show running sweeps, the task of each worker, and stored and failed runs. Only reads files, without a lock.

    Dead sweeps and workers are not shown. Processes on other machines count as alive while their heartbeat changes.
    """
    import time

    while True:
        _show(runs, as_json=as_json)
        if watch is None:
            return
        time.sleep(watch)


def _show(runs: Path, *, as_json: bool) -> None:
    from bench.api import sweep_state

    found = sweep_state(runs)
    if as_json:
        print_json(found.to_json())
        return
    print_line(found.summary)
    if found.sweeps:
        print_rows(found.rows, ["sweep", "done", "failed", "elsewhere", "total", "a_minute", "to_go"])
    if found.workers:
        print_rows(found.workers)
    if found.failures:
        print_rows(found.failures[-MOST_FAILURES:])
        if (more := len(found.failures) - MOST_FAILURES) > 0:
            print_line(f"and {counted(more, 'older failure')}; `etl-bench runs show RUN` has the traceback of each")
    for sweep in found.unfinished:
        print_line(str(sweep))
