"""`etl-bench leaderboard`: prints the rankings."""

from pathlib import Path
from typing import Annotated, Any

import typer

from bench.api import Results, load_results
from bench.cli import _options as opt
from bench.cli._options_of import options_of
from bench.cli._print import print_table

INCOMPLETE = 3
"""Exit code of `--strict`."""


@options_of(load_results, Results.leaderboard)
def leaderboard_command(
    runs: Path,
    convention: str,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with code 3 if an average lacks runs that other rows have.")
    ] = False,
    as_json: opt.AsJson = False,
    **options: Any,
) -> None:
    """Print one table per backbone, protocol and shots: averages over datasets in per cent, with 95 % intervals.

    Rows are ordered by mean. Intervals of two rows do not test their difference; `etl-bench compare` does. A row
    with missing runs is marked with an asterisk and named on standard error. It has no rank, unless most rows lack
    runs: then the rows are compared on the runs that they share, and the text below the table says so.
    """
    results = load_results(runs)
    table = results.leaderboard(convention=convention, **options)
    print_table(table, as_json=as_json)
    if strict and not all(board.complete for board in table.source):
        raise typer.Exit(INCOMPLETE)
