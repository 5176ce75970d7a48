"""`etl-bench leaderboard`: prints the rankings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import _options as opt
from bench.cli._print import print_json, print_line, print_rows, remark
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.api import SelectionTable

INCOMPLETE = 3
"""Exit code of `--strict`."""


def leaderboard(
    runs: opt.Runs = opt.DEFAULT_RUNS,
    protocol: opt.Protocol = None,
    shots: opt.Shots = None,
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
    from bench.analysis import HConvention
    from bench.api import board_title, load_results
    from datasets_registry import EvalProtocol

    how = opt.parse_choice(HConvention, convention, "--h")
    if by_rule and (strict or how is not HConvention.MEAN_OF_H):
        raise UsageError("--strict and --h h_of_means concern the ranking; leave them out with --selection.")
    results, counts = load_results(runs), opt.shot_counts(shots)
    wanted = None if protocol is None else str(opt.parse_choice(EvalProtocol, protocol, "--protocol"))
    if by_rule:
        _print_rules(results.selection_rules(protocol=wanted, shots=counts), as_json=as_json)
        return
    table = results.leaderboard(protocol=wanted, shots=counts, convention=how)
    if as_json:
        print_json(table.to_json())
    else:
        for board in table.boards:
            print_line(board_title(board))
            print_rows(table.rows(board))
            print_line("\n".join(table.answer(board)))
    for note in table.notes():
        remark(note)
    if strict and not table.complete:
        raise typer.Exit(INCOMPLETE)


def _print_rules(table: SelectionTable, *, as_json: bool) -> None:
    if as_json:
        print_json(table.to_json())
    else:
        for board, found in table.differences:
            if found:
                print_line(table.title(board))
                print_rows(table.rows(board))
    for note in table.notes():
        remark(note)
