"""Below a leaderboard: the noise of each difference from the best method, and what more data would buy."""

import math

from reports.parts.part import Part, table
from reports.tables.model import Column, Table, TableCell, whole
from reports.views import BoardView

_COLUMNS = [
    Column("Method", "method"),
    Column("Error", "percent", "Standard error of the difference from the best on these datasets, points"),
    Column("Due to seeds", "percent", "Share of its variance due to draw and training, %; the rest is of the images"),
    Column("One more seed", "percent", "The same standard error with one more seed"),
    Column("Over datasets", "percent", "Standard error of the difference on other datasets, points"),
]


def noise_parts(view: BoardView) -> list[Part]:
    """The table of the noise, empty if nothing is known; its caption says what one more dataset would buy."""
    rows: list[list[TableCell]] = []
    for number, entry in enumerate(view.board.entries):
        if (noise := view.standings.noise.get(entry.key)) is not None:
            errors = noise.error, noise.seeds, noise.more_seeds, noise.datasets_error
            rows.append([number, *(None if error is None else whole(error) for error in errors)])
    if not rows:
        return []
    caption = "A seed changes the draw and the training together."
    count = len(view.board.averaged)
    if count > 1:
        less = 1 - math.sqrt(count / (count + 1))
        caption += f" One more dataset makes the errors over datasets {100 * less:.0f} % smaller."
    return [table(Table(f"{view.anchor}-noise-table", _COLUMNS, rows, caption=caption))]
