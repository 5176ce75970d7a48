"""The small leaderboard and the findings that `run` and `demo` print at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.cli._print import print_rows, print_text, remark

if TYPE_CHECKING:
    from bench.api import Results

_LEFT_OUT = ("runs", "parameters")
"""Columns that only `etl-bench leaderboard` prints."""


def print_answer(results: Results) -> None:
    """Print each leaderboard without counts and costs, then its findings. Prints nothing without scores."""
    if not len(results):
        return
    table = results.leaderboard()
    for note in table.notes:
        remark(note)
    for part in table.parts:
        print_text(part.title)
        print_rows(part.rows, [name for name in part.rows[0] if name not in _LEFT_OUT], spare=part.spare)
        print_text(part.text())
