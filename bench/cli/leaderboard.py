"""`etl-bench leaderboard`: the rankings in the terminal."""

from typing import Annotated

import typer

from bench.cli import _options as opt
from bench.cli._print import print_json, print_line, print_rows, remark

INCOMPLETE = 3
"""Exit code of `--strict`."""


def leaderboard(
    runs: opt.Runs = opt.DEFAULT_RUNS,
    protocol: opt.Protocol = None,
    shots: opt.Shots = None,
    convention: opt.Convention = "mean_of_h",
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with code 3 if an average lacks runs that its board has.")
    ] = False,
    as_json: opt.AsJson = False,
) -> None:
    """Print one table per backbone, protocol and shots: averages over datasets in percent, with 95 % intervals.

    Rows are ordered by mean. Overlapping intervals do not show a difference; see `etl-bench compare`. An incomplete
    row has no rank, is marked with an asterisk, and is named on standard error.
    """
    from bench.analysis.leaderboard import HConvention
    from bench.api.leaderboard_table import board_title
    from bench.api.results import load_results
    from datasets_registry import EvalProtocol

    table = load_results(runs).leaderboard(
        protocol=None if protocol is None else str(opt.parse_choice(EvalProtocol, protocol, "--protocol")),
        shots=opt.shot_counts(shots),
        convention=opt.parse_choice(HConvention, convention, "--h"),
    )
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
