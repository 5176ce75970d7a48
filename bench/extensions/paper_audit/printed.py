"""A printed table as the audit reads it: rows are methods, columns are datasets, and cells are texts. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

from bench.analysis import TRANSFER_PROTOCOLS, H, metrics
from bench.papers import Mismatch, checked_numbers, mismatches

AVERAGE = "average"
SOURCE = "imagenet"
"""The dataset with the labelled images of transfer protocols, which their averages leave out."""


@dataclass(frozen=True)
class PrintedRow:
    """One method of the table.

    Args:
        label: as printed.
        method: its name in the ledger; empty if it is not known here.
        cells: printed texts by split (`base`, `new`, `H`, or `all`) and by dataset or `average`.
        own: whether the table is of the method's own paper or code; None if that is not known.
        recipe: that it was trained with, where the ledger has it.
    """

    label: str
    method: str
    cells: Mapping[str, Mapping[str, str]]
    own: bool | None = None
    recipe: str = ""

    def number(self, split: str, dataset: str) -> float | None:
        """A printed number in per cent."""
        text = self.cells.get(split, {}).get(dataset, "")
        return float(text.partition("±")[0]) if text else None

    def mean(self, measure: str, datasets: Sequence[str]) -> float | None:
        """The mean over datasets, in per cent; H is that of the means. None without all of its numbers."""
        if measure == H:
            base, new = (self.mean(split, datasets) for split in ("base", "new"))
            return None if base is None or new is None else metrics.harmonic_mean(base, new)
        found = [self.number(measure, name) for name in datasets]
        numbers = [one for one in found if one is not None]
        return fmean(numbers) if numbers and len(numbers) == len(found) else None


@dataclass(frozen=True)
class KnownError:
    """What the ledger says of an error in a number of the table."""

    label: str
    split: str
    dataset: str
    text: str


@dataclass(frozen=True)
class PrintedTable:
    """A table with its setting.

    Args:
        place: where it was printed, as the ledger says it, and which table; empty for a file.
        seeds: that its numbers are means of; None if the source does not say.
        datasets: known columns; `unknown` are those that are not known here.
        errors: known ones, of a table of the ledger.
        notes: what was left out of a file.
    """

    name: str
    protocol: str
    backbone: str
    shots: int
    rows: tuple[PrintedRow, ...]
    datasets: tuple[str, ...]
    unknown: tuple[str, ...] = ()
    seeds: int | None = None
    place: tuple[str, str] = ("", "")
    url: str = ""
    errors: tuple[KnownError, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def measures(self) -> tuple[str, ...]:
        """What is averaged; the last one orders the rows."""
        return ("base", "new", H) if any("new" in row.cells for row in self.rows) else ("all",)

    @property
    def shown(self) -> str:
        """The measure that orders the rows."""
        return self.measures[-1]

    @property
    def splits(self) -> tuple[str, ...]:
        """Where test images are counted."""
        return tuple(measure for measure in self.measures if measure != H)

    @cached_property
    def averaged(self) -> tuple[str, ...]:
        """The known datasets that averages are over: all but the source."""
        source = SOURCE if self.protocol in TRANSFER_PROTOCOLS else ""
        return tuple(name for name in self.datasets if name != source)

    def means(self, row: PrintedRow) -> dict[str, float]:
        """The means of a row by measure; empty if it lacks a number."""
        found = {measure: row.mean(measure, self.averaged) for measure in self.measures}
        known = {measure: value for measure, value in found.items() if value is not None}
        return known if len(known) == len(found) else {}

    @cached_property
    def complete(self) -> tuple[PrintedRow, ...]:
        """The rows with all numbers, best first."""
        found = [row for row in self.rows if self.means(row)]
        return tuple(sorted(found, key=lambda row: -self.means(row)[self.shown]))

    def arithmetic(self) -> tuple[int, list[tuple[str, Mismatch]]]:
        """How many numbers were compared with others of their row, and those that disagree, with the row's label."""
        checked, found = 0, []
        for row in self.rows:
            over = {split: self._covered(row, split) for split in row.cells}
            names = [*self.datasets, *self.unknown]
            checked += checked_numbers(row.cells, names, over)
            found += [(row.label, one) for one in mismatches(row.cells, names, over)]
        return checked, found

    def _covered(self, row: PrintedRow, split: str) -> Sequence[str]:
        """The columns whose mean the printed average is, or may be if a cell is missing; else the known ones."""
        choices = (self.averaged, (*self.averaged, *self.unknown))

        def follows(over: Sequence[str]) -> bool:
            return all(one.split != split for one in mismatches(row.cells, (), {split: over}))

        return next(filter(follows, choices), self.averaged)
