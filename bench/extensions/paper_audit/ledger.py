"""The complete tables of the ledger as printed tables, and what other tables print for a method."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean
from typing import Any, NamedTuple

from bench._util.words import counted
from bench.analysis import H, HConvention, metrics
from bench.extensions.paper_audit.printed import AVERAGE, KnownError, PrintedRow, PrintedTable
from bench.papers import Catalogue, Standing, numbered_rows, published_frame, registered
from datasets_registry import UnknownNameError

FEWEST_DATASETS = 4
FEWEST_ROWS = 2
"""A table is complete if at least so many rows have a number on each of at least so many datasets."""
_ID = re.compile(r"\d{4}\.\d{4,5}")
MEAN_OF_H = HConvention.MEAN_OF_H.value


class Number(NamedTuple):
    """A published accuracy; a table's rows without labelled images have 0 shots."""

    reported_in: str
    source_table: str
    url: str
    method: str
    label: str
    protocol: str
    backbone: str
    shots: int
    split: str
    dataset: str
    printed: str
    standing: str
    recipe: str
    seeds: int | None
    over: str
    convention: str
    note: str

    @property
    def place(self) -> tuple[str, str]:
        """Where it was printed."""
        return self.reported_in, self.source_table


Setting = tuple[str, str, int]
"""Protocol, backbone and shots."""


@dataclass(frozen=True)
class PrintedElsewhere:
    """The same method in the same setting in another table of the ledger.

    Args:
        cells: printed numbers by split and dataset.
        averages: printed averages by split, of the datasets in `over`.
    """

    place: tuple[str, str]
    standing: str
    recipe: str
    cells: Mapping[tuple[str, str], float]
    averages: Mapping[str, tuple[float, str]]

    def mean(self, measure: str, datasets: Sequence[str]) -> float | None:
        """The printed average over these datasets, else the mean of the printed numbers; None if neither is there.

        H is that of the averages; a printed mean of H, which is another number, does not count.
        """
        if measure == H:
            base, new = (self.mean(split, datasets) for split in ("base", "new"))
            if base is not None and new is not None:
                return metrics.harmonic_mean(base, new)
        value, over = self.averages.get(measure, (0.0, ""))
        if over and set(over.split(",")) == set(datasets):
            return value
        found = [self.cells[measure, name] for name in datasets if (measure, name) in self.cells]
        return fmean(found) if found and len(found) == len(datasets) and measure != H else None


@cache
def numbers() -> tuple[Number, ...]:
    """The published accuracies of unmodified methods, and their printed averages."""
    frame = published_frame()
    kept = frame[(frame["dataset"] == AVERAGE) & (frame["variant"] == "") & (frame["metric"] == "accuracy")]
    found = []
    for part in (numbered_rows(frame), kept.assign(protocol=kept["protocol"].replace("zero-shot", "few-shot"))):
        columns = [part[name].astype(object).where(part[name].notna(), None).tolist() for name in Number._fields]
        found += [Number(*row) for row in zip(*columns, strict=True)]
    return tuple(
        one._replace(shots=one.shots or 0, split="all" if one.split == "target" else one.split) for one in found
    )


@cache
def ledger_tables() -> Mapping[str, PrintedTable]:
    """The complete tables of the ledger by a name made of their source, in the ledger's order."""
    places: dict[tuple[str, str], list[Number]] = {}
    for one in numbers():
        places.setdefault(one.place, []).append(one)
    found: dict[str, PrintedTable] = {}
    for given in places.values():
        settings = _settings(given)
        for setting in settings:
            table = _table(_named(given[0], setting, len(settings), found), setting, given)
            if len(table.complete) >= FEWEST_ROWS and len(table.averaged) >= FEWEST_DATASETS:
                found[table.name] = table
    return found


def complete_table(name: str) -> PrintedTable:
    """A complete table of the ledger; raises UnknownNameError with near misses."""
    tables = ledger_tables()
    if name not in tables:
        raise UnknownNameError("table of the ledger", name, tables)
    return tables[name]


@cache
def _by_method() -> Mapping[tuple[str, Setting], Sequence[PrintedElsewhere]]:
    rows: dict[tuple[Any, ...], list[Number]] = {}
    for one in numbers():
        rows.setdefault((one.place, one.label, one.method, (one.protocol, one.backbone, one.shots)), []).append(one)
    found: dict[tuple[str, Setting], list[PrintedElsewhere]] = {}
    for (place, _, method, setting), given in rows.items():
        cells = {(one.split, one.dataset): float(one.printed) for one in given if one.dataset != AVERAGE}
        means = {
            one.split: (float(one.printed), one.over)
            for one in given
            if one.dataset == AVERAGE and one.convention != MEAN_OF_H
        }
        recipe = next((one.recipe for one in given if one.recipe), "")
        found.setdefault((method, setting), []).append(PrintedElsewhere(place, given[0].standing, recipe, cells, means))
    return found


def printed_elsewhere(table: PrintedTable, method: str) -> list[PrintedElsewhere]:
    """What other tables than this one print for a method in the setting; zero-shot has no shots."""
    found: list[PrintedElsewhere] = []
    for shots in {table.shots, 0}:
        found += _by_method().get((method, (table.protocol, table.backbone, shots)), ())
    return [one for one in found if one.place != table.place]


def short_source(place: tuple[str, str]) -> str:
    """A source in a few words: a repository or a paper, with its arXiv id, and the table.

    Example:
        >>> short_source(("github:Koorye/DePT examples/a.png (2309.07439)", "base-to-new table (re-run)"))
        'Koorye/DePT (2309.07439), base-to-new table'
    """
    source, table = place
    name = re.split(r"[ ,(]", source.removeprefix("github:"), maxsplit=1)[0]
    number = _ID.search(source)
    return f"{name}{f' ({number[0]})' if number else ''}, {_short_table(table)}"


def _short_table(table: str) -> str:
    return re.split(r" \(|, |: ", table, maxsplit=1)[0]


def _settings(given: Sequence[Number]) -> list[Setting]:
    """The settings with labelled images, by number of cells; zero-shot rows belong to each."""
    counts = Counter((one.protocol, one.backbone, one.shots) for one in given if one.shots)
    return [setting for setting, _ in counts.most_common()]


def _named(first: Number, setting: Setting, settings: int, taken: Mapping[str, PrintedTable]) -> str:
    source = re.split(r"[ ,(]", first.reported_in.removeprefix("github:"), maxsplit=1)[0].rpartition("/")[2]
    protocol, backbone, shots = setting
    words = [source, _short_table(first.source_table)]
    words += [protocol, backbone.partition(".")[0], counted(shots, "shot")] if settings > 1 else []
    name = re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-")
    number = sum(one == name or one.startswith(f"{name}--") for one in taken)
    return f"{name}--{number + 1}" if number else name


def _table(name: str, setting: Setting, given: Sequence[Number]) -> PrintedTable:
    protocol, backbone, shots = setting
    here = [one for one in given if (one.protocol, one.backbone) == (protocol, backbone) and one.shots in (0, shots)]
    rows: dict[tuple[str, str], list[Number]] = {}
    for one in here:
        rows.setdefault((one.method, one.label), []).append(one)
    common = Counter(one.dataset for one in here if one.dataset != AVERAGE and one.split != H)
    most = max(common.values(), default=0)
    datasets = tuple(dataset for dataset, count in common.items() if 2 * count > most)
    return PrintedTable(
        name=name,
        protocol=protocol,
        backbone=backbone,
        shots=shots,
        rows=tuple(_row(method, label, cells) for (method, label), cells in rows.items()),
        datasets=datasets,
        seeds=next((int(one.seeds) for one in here if one.seeds), None),
        place=given[0].place,
        url=given[0].url,
        errors=tuple(
            KnownError(_label(one.method, one.label), one.split, one.dataset, one.note) for one in here if one.note
        ),
    )


def _label(method: str, label: str) -> str:
    return label or facts_of_methods().method(method).title


def _row(method: str, label: str, given: Sequence[Number]) -> PrintedRow:
    cells: dict[str, dict[str, str]] = {}
    for one in given:
        cells.setdefault(one.split, {})[one.dataset] = one.printed
    return PrintedRow(
        label=_label(method, label),
        method=method,
        cells=cells,
        own={one.standing for one in given} == {Standing.OWN.value},
        recipe=next((one.recipe for one in given if one.recipe), ""),
    )


@cache
def facts_of_methods() -> Catalogue:
    """Titles, families and inputs of methods, also of those of the ledger that this project lacks."""
    return registered()
