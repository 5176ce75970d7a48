"""Runs that are missing, failed or excluded."""

from collections.abc import Sequence

from reports._format import brief
from reports.parts.part import Part, paragraph, table
from reports.tables.page_table import FIRST_ROWS, Column, Table, TableCell
from reports.views import BoardView


def runs_parts(view: BoardView) -> list[Part]:
    """The parts of the section."""
    parts = []
    if view.board.missing:
        rows = [
            [
                view.entry_name(run.entry),
                view.dataset_title(run.dataset),
                run.seed,
                "not run" if run.error is None else brief(f"failed: {run.error}"),
                run.run_id,
            ]
            for run in view.board.missing[:MOST_RUNS]
        ]
        parts.append(table(_runs(f"{view.anchor}-missing-table", rows, _cut(len(view.board.missing)))))
    if view.board.excluded:
        rows = [
            [view.entry_name(run.entry), view.dataset_title(run.dataset), run.seed, run.reason, run.run_id]
            for run in view.board.excluded[:MOST_RUNS]
        ]
        caption = f"Runs that are excluded from this leaderboard.{_cut(len(view.board.excluded))}"
        parts.append(table(_runs(f"{view.anchor}-excluded", rows, caption)))
    return parts or [paragraph("No run is missing, failed or excluded.")]


MOST_RUNS = 2_000
"""Missing or excluded runs that a table lists."""


def _cut(number: int) -> str:
    """States that a table lists only some of that many runs; empty if it lists all."""
    return f" The first {MOST_RUNS} of {number} runs." if number > MOST_RUNS else ""


def _runs(anchor: str, rows: Sequence[Sequence[TableCell]], caption: str = "") -> Table:
    columns = [Column("Method", "text"), Column("Dataset", "text"), Column("Seed")]
    columns += [Column("Reason", "text", "", "why"), Column("Run", "text")]
    return Table(anchor, columns, rows, caption=caption, first=FIRST_ROWS)
