"""Below a leaderboard: how stable its order is, how near methods are to the best, and what more data would buy."""

from bench.analysis import EQUAL_MARGIN, percent
from reports.parts.part import Part, table
from reports.tables.model import Column, Table, TableCell, whole
from reports.views import BoardView

_COLUMNS = [
    Column("Method", "method"),
    Column("Equal", "percent", f"Probability that it is less than {percent(EQUAL_MARGIN, 0)} point from the best, %"),
    Column("Error", "percent", "Standard error of the difference from the best on these datasets, points"),
    Column("Due to seeds", "percent", "Share of its variance due to draw and training, %; the rest is of the images"),
    Column("One more seed", "percent", "The same standard error with one more seed"),
    Column("Over datasets", "percent", "Standard error of the difference on other datasets, points"),
    Column("One more dataset", "percent", "The same with one more dataset"),
]


def stability_parts(view: BoardView) -> list[Part]:
    """How stable the order is, how near each method is to the best, and what more data would buy."""
    order, parts = view.standings, []
    rows: list[list[TableCell]] = []
    for number, entry in enumerate(view.entries):
        noise, equal = order.noise.get(entry.key), order.equal.get(entry.key)
        if noise is None and equal is None:
            continue
        row = [number, None if equal is None else whole(equal)]
        errors = (
            [None] * 5
            if noise is None
            else [noise.error, noise.seeds, noise.more_seeds, noise.datasets_error, noise.more_datasets]
        )
        rows.append([*row, *(None if error is None else whole(error) for error in errors)])
    if rows:
        caption = "A seed changes the draw and the training together."
        parts.append(table(Table(f"{view.anchor}-worth-table", _COLUMNS, rows, caption=caption)))
    return parts
