"""Compares a row of a table with what the ledger has of its method: its own paper, and the range of other tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from bench.analysis import H
from bench.extensions.paper_audit.ledger import PrintedElsewhere, printed_elsewhere, short_source
from bench.extensions.paper_audit.printed import PrintedRow, PrintedTable
from bench.papers import Standing, named_recipes

_ALIKE = 0.9
"""Share of equal cells from which a row counts as taken from the same numbers."""
_FEWEST_CELLS = 4
_ROUNDING = 0.011
"""Points by which two means of the same printed numbers may differ."""


class Reading(StrEnum):
    """How a row stands to the other tables of the ledger."""

    OWN = "this paper's method"
    UNKNOWN = "not known here"
    ALONE = "no other table"
    INCOMPARABLE = "not comparable"
    SAME = "same numbers"
    BELOW = "below all others"
    ABOVE = "above all others"
    WITHIN = "in their range"


@dataclass(frozen=True)
class Baseline:
    """A row compared with other tables, in per cent, by the measure that orders the rows.

    Args:
        here: the mean in this table; None if the row lacks a number.
        own_paper: the mean that the method's own paper or code prints.
        low, high: the range of the means of all other tables; None without any.
        tables: their number.
        same_as: a table with the same numbers, if there is one; `from_own` if it is the method's own paper or code.
        copies: number of tables with the same numbers.
        differing: cells that differ from that table.
        recipes: means of other tables by the recipe that they state, of those that differ from this row's.
    """

    reading: Reading
    here: float | None = None
    own_paper: float | None = None
    low: float | None = None
    high: float | None = None
    tables: int = 0
    same_as: str = ""
    from_own: bool = False
    copies: int = 0
    differing: tuple[str, ...] = ()
    recipes: tuple[tuple[str, float], ...] = ()


def baseline_of(table: PrintedTable, row: PrintedRow) -> Baseline:
    """What the ledger says of a row."""
    if not row.method:
        return Baseline(Reading.UNKNOWN)
    here = table.means(row).get(table.shown)
    others = printed_elsewhere(table, row.method)
    means = [(one, mean) for one in others if (mean := one.mean(table.shown, table.averaged)) is not None]
    own = next((mean for one, mean in means if one.standing == Standing.OWN), None)
    values = [mean for _, mean in means]
    low, high = (min(values), max(values)) if values else (None, None)
    alike = _same_numbers(table, row, others)
    same, differing = alike[0] if alike else (None, [])
    return Baseline(
        reading=Reading.OWN if row.own else _reading(here, values, same) if others else Reading.ALONE,
        here=here,
        own_paper=own,
        low=low,
        high=high,
        tables=len(values),
        same_as=short_source(same.place) if same else "",
        from_own=same is not None and same.standing == Standing.OWN,
        copies=len(alike),
        differing=tuple(differing),
        recipes=tuple(sorted({one.recipe: mean for one, mean in means if one.recipe not in ("", row.recipe)}.items())),
    )


def recipe_text(name: str) -> str:
    """A recipe with its values, such as `apex (optimizer adadelta, lr 0.25)`."""
    values = named_recipes().get(name, {})
    shown = ", ".join(f"{key} {value}" for key, value in values.items() if not isinstance(value, dict))
    return f"{name} ({shown})" if shown else name


def _reading(here: float | None, values: Sequence[float], same: PrintedElsewhere | None) -> Reading:
    if same is not None:
        return Reading.SAME
    if here is None or not values:
        return Reading.INCOMPARABLE
    if here < min(values) - _ROUNDING:
        return Reading.BELOW
    return Reading.ABOVE if here > max(values) + _ROUNDING else Reading.WITHIN


def _same_numbers(
    table: PrintedTable, row: PrintedRow, others: Sequence[PrintedElsewhere]
) -> list[tuple[PrintedElsewhere, list[str]]]:
    """The other tables with the same numbers, the method's own first, each with the cells that differ."""
    cells = {
        (split, name): value
        for split in table.splits
        for name in table.datasets
        if (value := row.number(split, name)) is not None
    }
    found = []
    for one in others:
        shared = [key for key in cells if key in one.cells]
        differing = [_difference(key, cells[key], one.cells[key]) for key in shared if cells[key] != one.cells[key]]
        if len(shared) >= _FEWEST_CELLS and len(differing) <= (1 - _ALIKE) * len(shared):
            found.append((one, differing))
    return sorted(found, key=lambda pair: (pair[0].standing != Standing.OWN, len(pair[1])))


def _difference(key: tuple[str, str], here: float, there: float) -> str:
    split, dataset = key
    return f"{dataset}{f' {split}' if split in ('base', 'new', H) else ''} {here:.2f} here, {there:.2f} there"
