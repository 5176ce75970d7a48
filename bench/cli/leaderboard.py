"""`etl-bench leaderboard`: prints the rankings."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.cli import _options as opt
from bench.cli._print import print_table
from bench.errors import UsageError

INCOMPLETE = 3
"""Exit code of `--strict`."""


def leaderboard(
    runs: opt.Runs = opt.DEFAULT_RUNS,
    protocol: opt.Protocol = None,
    shots: opt.Shots = [],  # noqa: B006
    convention: opt.Convention = "mean_of_h",
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with code 3 if an average lacks runs that other rows have.")
    ] = False,
    by_rule: Annotated[
        bool,
        typer.Option(
            "--selection",
            help="Print the cost of each selection rule, not the ranking: its accuracy minus that of `validation`, "
            "paired by method, dataset and seed.",
        ),
    ] = False,
    as_json: opt.AsJson = False,
) -> None:
    """Print one table per backbone, protocol and shots: averages over datasets in per cent, with 95 % intervals.

    Rows are ordered by mean. Intervals of two rows do not test their difference; `etl-bench compare` does. A row
    with missing runs is marked with an asterisk and named on standard error. It has no rank, unless most rows lack
    runs: then the rows are compared on the runs that they share, and the text below the table says so.
    """
    from bench.api import load_results

    if by_rule and (strict or convention != "mean_of_h"):
        raise UsageError("--strict and --h h_of_means concern the ranking; leave them out with --selection.")
    results, counts = load_results(runs), opt.shot_counts(shots)
    if by_rule:
        print_table(results.selection_rules(protocol=protocol, shots=counts), as_json=as_json)
        return
    table = results.leaderboard(protocol=protocol, shots=counts, convention=convention)
    print_table(table, as_json=as_json)
    if strict and not all(board.complete for board in table.source):
        raise typer.Exit(INCOMPLETE)
