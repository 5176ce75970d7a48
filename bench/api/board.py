"""Building a board from Python, as `etl-bench board build` does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.boards import BoardRequest, BoardRuns, BoardSummary, Report, collect_board


@dataclass(frozen=True)
class BuiltBoard:
    """Result of a build: page, reports on all submissions, the number checked again, and the changes of the runs."""

    page: Path
    reports: tuple[Report, ...]
    checked: int
    runs: BoardRuns
    summary: BoardSummary


def build_board(request: BoardRequest) -> BuiltBoard:
    """Check the submissions, collect the runs of accepted submissions, and write the page and `board.json`.

    A refused submission is left out and named on the page with the reasons.
    """
    from reports.site.board_page import write_board_page

    board = collect_board(request)
    page, summary = write_board_page(board)
    return BuiltBoard(page, board.reports, board.checked, board.runs, summary)
