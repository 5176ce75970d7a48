"""Runs that are missing, failed or excluded."""

from reports.parts.part import Part, paragraph, table
from reports.tables.model import Column, Table
from reports.views import BoardView


def runs_parts(view: BoardView) -> list[Part]:
    """The parts of the section."""
    parts = []
    if view.missing:
        columns = [Column("Method", "text"), Column("Dataset", "text"), Column("Seed")]
        columns += [Column("Reason", "text", "", "why"), Column("Run", "text")]
        rows = [
            [
                view.entry_name(run.entry),
                view.dataset_title(run.dataset),
                run.seed,
                "not run" if run.error is None else f"failed: {run.error}",
                run.run_id,
            ]
            for run in view.missing
        ]
        parts.append(table(Table(f"{view.anchor}-missing-table", columns, rows, classes="missing-runs", first=25)))
    if view.excluded:
        columns = [Column("Method", "text"), Column("Dataset", "text"), Column("Seed")]
        columns += [Column("Reason", "text", "", "why"), Column("Run", "text")]
        rows = [
            [view.entry_name(run.entry), view.dataset_title(run.dataset), run.seed, run.reason, run.run_id]
            for run in view.excluded
        ]
        caption = "Runs that are excluded from this leaderboard."
        parts.append(
            table(Table(f"{view.anchor}-excluded", columns, rows, caption=caption, classes="missing-runs", first=25))
        )
    return parts or [paragraph("No run is missing, failed or excluded.")]
