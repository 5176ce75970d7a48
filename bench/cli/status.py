"""`etl-bench status`: shows the state of all sweeps in a folder, from any shell."""

import time
from typing import Annotated, Any

import typer

from bench._util.words import counted
from bench.api import sweep_state
from bench.cli import _options as opt
from bench.cli._options_of import options_of
from bench.cli._print import print_json, print_line, print_table

MOST_FAILURES = 10
"""Failed runs that are listed, the newest ones."""


@options_of(sweep_state)
def status(
    as_json: opt.AsJson = False,
    watch: Annotated[
        float | None, typer.Option("--watch", min=0.2, help="Repeat after this many seconds, until Ctrl-C.")
    ] = None,
    **options: Any,
) -> None:
    """Show running sweeps, the task of each worker, and stored and failed runs. Only reads files, without a lock.

    Dead sweeps and workers are not shown. Processes on other machines count as alive while their counter changes.
    """
    while True:
        _show(as_json=as_json, **options)
        if watch is None:
            return
        time.sleep(watch)


def _show(*, as_json: bool, **options: Any) -> None:
    state = sweep_state(**options)
    if as_json:
        print_json(state.to_json())
        return
    print_line(state.summary)
    print_table(state.tables(MOST_FAILURES))
    if (older := len(state.failures) - MOST_FAILURES) > 0:
        print_line(f"and {counted(older, 'older failure')}; `etl-bench runs show RUN` has the traceback of each")
    for sweep in state.unfinished:
        print_line(str(sweep))
