"""The small leaderboard and the findings that `run` and `demo` print at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.cli._print import print_line, print_rows, remark

if TYPE_CHECKING:
    from bench.api import Results

_LEFT_OUT = ("n/N", "parameters")
"""Columns that only `etl-bench leaderboard` prints."""


def print_answer(results: Results) -> None:
    """Print each leaderboard without counts and costs, then its findings. Prints nothing without scores."""
    from bench.api import board_title

    if not len(results):
        return
    table = results.leaderboard()
    for board in table.boards:
        rows = table.rows(board)
        print_line(board_title(board))
        print_rows(rows, [name for name in rows[0] if name not in _LEFT_OUT])
        print_line("\n".join(table.answer(board)))
    for note in table.notes():
        remark(note)
