"""A table as data, small enough for the page's JSON: columns with a kind, and rows of cells."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.analysis import Estimate

TableCell = Any
"""A value, or `[value, more, tooltip, classes]` without empty items at the end. None is a gap.

The kind of the column decides what `value` is and how `more` is shown: as the distances to both ends of an interval
(`pm`), as the shade (`tint`), as the text instead of the value (`word`), or as a small line below it (all others).
"""

COLUMN_KINDS = (
    "text",  # a text
    "badge",  # a verdict
    "sources",  # numbers of published tables
    "method",  # a method, by its number in the setting
    "number",  # a number as it is
    "word",  # a number to sort by, and its text
    "percent",  # in 0.01 %
    "pm",  # in 0.01 %, with half of the interval
    "points",  # a signed difference in 0.01 points
    "tenths",  # like points, with one decimal
    "tint",  # like tenths, on a shade from 0 to 100
    "link",  # a text, with its address
    "pair",  # like tenths, with `[shade, address]`
    "heat",  # in 0.01 %, with `[gain, shade]`
    "bar",  # `[mean, low, high]` in 0.1 % of the width
    "of",  # a number of a total: `[n, total]`
)


FIRST_ROWS = 25
"""Rows that long tables show at first."""


@dataclass(frozen=True)
class Column:
    """A column: title, one of `KINDS`, an explanation, and further classes of the heading."""

    title: str
    kind: str = "number"
    hint: str = ""
    classes: str = ""

    def data(self) -> list[str]:
        """The column as JSON."""
        return _trimmed([self.title, self.kind, self.hint, self.classes])


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
    row_classes: Sequence[str] = field(default_factory=tuple)

    def data(self) -> dict[str, Any]:
        """The table as JSON, without empty fields."""
        found: dict[str, Any] = {
            "id": self.id,
            "columns": [column.data() for column in self.columns],
            "rows": [list(row) for row in self.rows],
            "caption": str(self.caption),
            "classes": self.classes,
            "first": self.first,
            "filters": list(self.filters) if len(set(self.filters)) > 1 else [],
            "filterName": self.filter_name if len(set(self.filters)) > 1 else "",
            "copies": self.copies,
            "rowClasses": list(self.row_classes) if any(self.row_classes) else [],
        }
        return {name: value for name, value in found.items() if value}


def cell(value: Any, more: Any = None, tip: str = "", classes: str = "") -> TableCell:
    """A cell without empty items at its end; the bare value if nothing else is left."""
    found = _trimmed([value, more, tip, classes.strip()])
    return value if len(found) < 2 and not isinstance(value, list) else found


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
