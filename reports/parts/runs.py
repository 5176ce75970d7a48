"""Runs that are missing, failed or excluded, and the submissions of a public board."""

from collections.abc import Sequence

from bench.boards import BoardSubmission
from reports._format import brief, counted
from reports.parts.part import Part, paragraph, table
from reports.tables.model import FIRST_ROWS, Column, Table, TableCell, cell
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
    return Table(anchor, columns, rows, caption=caption, classes="missing-runs", first=FIRST_ROWS)


def submissions_parts(views: Sequence[BoardSubmission]) -> list[Part]:
    """The parts of the section."""
    accepted = [view for view in views if not view.refusals]
    refused = [[view.name, text] for view in views for text in view.refusals]
    note = (
        f"{counted(len(accepted), 'submission')} with {counted(sum(view.counted for view in accepted), 'run')}. All "
        "scores were recomputed from the submitted predictions. Only repeating a run shows that its predictions are "
        "genuine. The column Recomputed here counts the runs that the board drew at random and recomputed."
    )
    parts = [paragraph(note), table(_submissions(accepted))]
    if noted := [[view.name, text] for view in accepted for text in (*view.notes, *_remarks(view))]:
        parts.append(table(_texts("submissions-notes", "Note", noted)))
    if refused:
        parts += [paragraph("Refused submissions:"), table(_texts("submissions-refused", "Reason", refused))]
    return parts


def _submissions(views: Sequence[BoardSubmission]) -> Table:
    columns = [Column("Submission", "text"), Column("By", "text"), Column("Methods", "text", "", "why")]
    columns += [
        Column("Runs", "of", "Runs on the board, of the submitted runs; the others belong to earlier submissions"),
        Column("Data", "badge", "Training images, test images and labels, compared with those of the declared draw"),
        Column("Settings", "badge", "Runs with the published settings of their method"),
        Column("Recomputed here", "text"),
        Column("Licence", "text"),
        Column("Code", "text", "", "why"),
        Column("Submitted", "text", "UTC, as the submitters state it; it decides nothing"),
    ]
    rows = [
        [
            view.name,
            view.who,
            brief(", ".join(view.methods)),
            cell([view.counted, view.runs]),
            view.data,
            "published" if view.published == view.runs else f"{view.published} of {view.runs} published",
            view.verified or "none",
            view.licence,
            view.code or "not given",
            view.submitted,
        ]
        for view in views
    ]
    return Table("submissions-table", columns, rows, first=FIRST_ROWS)


def _texts(anchor: str, title: str, rows: Sequence[Sequence[str]]) -> Table:
    columns = [Column("Submission", "text"), Column(title, "text", "", "why")]
    return Table(anchor, columns, [list(row) for row in rows], first=FIRST_ROWS)


def _remarks(view: BoardSubmission) -> tuple[str, ...]:
    return (brief(f"note of the submitters: {view.remarks}"),) if view.remarks else ()
