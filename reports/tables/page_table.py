"""A table as data, small enough for the page: columns with a kind, and rows of cells whose texts are finished."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.analysis import Estimate
from reports._format import points
from reports.map.classes import tone_of

TableCell = Any
"""A value, or `[value, more, tooltip, classes]` without empty items at the end. None is a gap.

The kind of the column decides how `value` is written: one of `_WRITTEN`, or `text`, `badge` (a verdict), `sources`
(numbers of published tables), `method` (its number in the setting), or `link`. `more` is the distances to both ends of
an interval (`pm`), the text (`word`), an address (`link`), or a small line below it (all others).
"""


FIRST_ROWS = 25
"""Rows that long tables show at first."""


@dataclass(frozen=True)
class Column:
    """A column: title, its kind, an explanation, and further classes of the heading."""

    title: str
    kind: str = "number"
    hint: str = ""
    classes: str = ""

    def data(self) -> list[str]:
        """The column as JSON."""
        is_number = self.kind in _WRITTEN and self.kind != "pm"
        return _trimmed([self.title, "number" if is_number else self.kind, self.hint, self.classes])


@dataclass(frozen=True)
class Table:
    """A table; `id` is unique on the page.

    Args:
        caption: HTML.
        classes: of the table element.
        first: rows that are shown at first; 0 for all.
        filters: one text per row, for buttons that show the rows of one text; empty for no buttons.
        filter_name: name of the texts, such as Family.
        copies: name of the texts to copy in the data of the setting; empty to copy the shown table.
    """

    id: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[TableCell]]
    caption: str = ""
    classes: str = ""
    first: int = 0
    filters: Sequence[str] = ()
    filter_name: str = "Family"
    copies: str = ""

    def data(self) -> dict[str, Any]:
        """The table as JSON, without empty fields."""
        fields: dict[str, Any] = {
            "id": self.id,
            "columns": [column.data() for column in self.columns],
            "rows": [
                [shown_cell(cell_data, column.kind) for cell_data, column in zip(row, self.columns, strict=True)]
                for row in self.rows
            ],
            "caption": str(self.caption),
            "classes": self.classes,
            "first": self.first,
            "filters": list(self.filters) if len(set(self.filters)) > 1 else [],
            "filterName": self.filter_name if len(set(self.filters)) > 1 else "",
            "copies": self.copies,
        }
        return {name: value for name, value in fields.items() if value}


def shown_cell(cell_data: TableCell, kind: str) -> TableCell:
    """A cell as the page shows it: a text, or `[text, small, tooltip, classes, key]` without empty items at the end.

    `key` is what it is sorted by, if that is not its text. Cells of methods, links and sources stay as they are.

    Example:
        >>> shown_cell(7421, "percent"), shown_cell([7421, 120], "pm"), shown_cell([-250, 1], "tint")
        ('74.21', ['74.21', '±1.20'], ['−2.5', None, '', 'c l1'])
        >>> shown_cell([90, "1.5 min"], "word")
        ['1.5 min', None, '', '', 90]
    """
    value, more, tip, classes = [*(cell_data if isinstance(cell_data, list) else [cell_data]), None, None, None, None][
        :4
    ]
    if kind not in _WRITTEN:
        return cell_data
    if kind == "word":
        text, small, tone, key = more or "–", None, "", value
    elif value is None:
        if not isinstance(more, str):
            return None if cell_data is None else _trimmed([None, None, tip or "", classes or ""])
        text, small, tone, key = more, None, "", None
    else:
        text, small, tone, key = _WRITTEN[kind](value, more)
    parts = _trimmed([text, small, tip or "", " ".join(filter(None, (tone, classes))), key])
    return text if len(parts) == 1 else parts


_Written = tuple[str, Any, str, Any]
"""Text, small line, class of colour, and what a cell is sorted by."""


_WRITTEN: Mapping[str, Callable[[Any, Any], _Written]] = {
    "word": lambda value, more: (more, None, "", value),  # a number to sort by, and its text
    "number": lambda value, more: (str(value), more, "", None),
    "percent": lambda value, more: (f"{value / 100:.2f}", more, "", None),  # in 0.01 %
    "pm": lambda value, more: (f"{value / 100:.2f}", None if more is None else reach_text(more), "", None),
    "tenths": lambda value, more: (points(value / 10_000), more, "", None),  # a signed difference in 0.01 points
    "tint": lambda value, _: (points(value / 10_000), None, f"c {tone_of(value / 10_000)}", None),  # and its colour
    "of": lambda value, more: (f"{value[0]}/{value[1]}", more, "", value[0]),  # `[n, total]`
}
"""How the kinds of columns are written whose cells are finished here."""


def reach_text(sides: int | Sequence[int]) -> str:
    """Distances to both ends of an interval, in 0.01 %: ±1.20, or −1.00/+1.40.

    Example:
        >>> reach_text(120), reach_text([100, 140])
        ('±1.20', '−1.00/+1.40')
    """
    if isinstance(sides, int):
        return f"±{sides / 100:.2f}"
    return f"−{sides[0] / 100:.2f}/+{sides[1] / 100:.2f}"


def cell(value: Any, more: Any = None, tip: str = "", classes: str = "") -> TableCell:
    """A cell without empty items at its end; the bare value if nothing else is left."""
    parts = _trimmed([value, more, tip, classes.strip()])
    return value if len(parts) < 2 and not isinstance(value, list) else parts


def whole(fraction: float) -> int:
    """A fraction in 0.01 %."""
    return round(10_000 * fraction)


def whole_sides(estimate: Estimate) -> int | list[int] | None:
    """Distances to the ends of an interval in 0.01 %: one number for both, or two; None without an interval."""
    if estimate.sides is None:
        return None
    below, above = (whole(side) for side in estimate.sides)
    return above if below == above else [below, above]


def percent_cell(fraction: float | None, more: Any = None, tip: str = "", classes: str = "") -> TableCell:
    """A cell of a fraction in 0.01 %; empty for None."""
    return cell(None if fraction is None else whole(fraction), more, tip, classes)


def _trimmed(values: list[Any]) -> list[Any]:
    while len(values) > 1 and (values[-1] is None or values[-1] == ""):
        values = values[:-1]
    return values
