"""A table of a paper with our numbers beside the printed ones. Pure functions of frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.analysis import OPEN, Estimate, build_leaderboards, reach_text
from bench.errors import UsageError
from bench.papers.printed_averages import AVERAGE
from bench.papers.published_numbers import published_frame
from bench.papers.reproduction import (
    ReproductionRow,
    ReproductionVerdict,
    compare_difficulty,
    compare_with_published,
    published_settings,
)
from datasets_registry import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

_GROUP = ["source_table", "method", "variant", "label", "backbone", "protocol", "shots"]


@dataclass(frozen=True)
class TableCell:
    """A number of the paper and ours, in the unit of the table: per cent for accuracies.

    Args:
        printed: as printed; empty if the paper has no such number.
        ours: None if there are no runs.
        reach: our 95 % interval, `± 1.20` or `−2.10/+0.40`; empty without one. Beside a printed number it covers the
            seeds alone, since the paper's number is of the same test images.
        verdict: empty without both numbers.
    """

    printed: str = ""
    ours: float | None = None
    reach: str = ""
    n: int = 0
    verdict: str = ""
    measure: str = "accuracy"


@dataclass(frozen=True)
class TableRow:
    """The numbers of one method on one dataset or average, by split."""

    method: str
    dataset: str
    setting: str
    cells: Mapping[str, TableCell] = field(default_factory=dict)


def printed_numbers(reported_in: str, tables: Sequence[str]) -> pd.DataFrame:
    """The numbers of some tables of a paper in the ledger.

    Raises UsageError, with near misses, for a paper or table that the ledger does not have.
    """
    frame = published_frame()
    mine = frame[frame["reported_in"] == reported_in]
    if mine.empty:
        known = sorted(frame["reported_in"].unique())
        raise UsageError(f"The ledger has no numbers of {reported_in!r}.{did_you_mean(reported_in, known)}")
    known = list(mine["source_table"].unique())
    for name in tables:
        if name not in known:
            raise UsageError(
                f"The ledger has no table {name!r} of {reported_in}.{did_you_mean(name, known)} "
                f"Known: {', '.join(map(repr, known))}."
            )
    return mine[mine["source_table"].isin(list(tables))]


def reproduced_rows(published: pd.DataFrame, runs: pd.DataFrame, difficulty: pd.DataFrame) -> list[TableRow]:
    """The rows of a table, in the order of the paper.

    Args:
        published: printed numbers; a number that no run meets has no number of ours.
        runs: the store's `runs_frame()` of the table's runs.
        difficulty: the store's `difficulty_frame()`.
    """
    boards = build_leaderboards(runs) if len(runs) else []
    defaults = published_settings(runs) if len(runs) else {}
    rows: dict[tuple[str, str, str], dict[str, TableCell]] = {}
    for key, group in published.groupby(_GROUP, sort=False, dropna=False):
        _, method, variant, label, backbone, *_ = key
        found = compare_with_published(boards, runs, group, defaults=defaults) if boards else []
        if len(difficulty):
            found = [*found, *compare_difficulty(difficulty, group)]
        ours = {(row.dataset, row.split, row.measure): row for row in found if _like(row)}
        name = str(label or (f"{method} [{variant}]" if variant else method))
        for values in group.itertuples(index=False, name=None):
            number: dict[str, Any] = dict(zip(map(str, group.columns), values, strict=True))
            split = "all" if number["split"] == "target" else str(number["split"])
            match = _match(ours, number, split)
            column = split if number["metric"] == "accuracy" else str(number["metric"])
            cells = rows.setdefault((name, str(number["dataset"]), str(backbone)), {})
            cells.setdefault(column, _cell(number, match))
    return [TableRow(*key, cells=cells) for key, cells in rows.items()]


def own_rows(runs: pd.DataFrame, published: pd.DataFrame | None = None) -> list[TableRow]:
    """Our numbers, one row for each entry and dataset, and its average.

    Args:
        runs: the store's `runs_frame(outcomes=True)`.
        published: printed numbers that stand beside ours where they have the same recipe and settings; None for none.
    """
    boards = build_leaderboards(runs) if len(runs) else []
    printed: dict[tuple[str, str, str], ReproductionRow] = {}
    if published is not None and boards:
        rows = compare_with_published(boards, runs, published, defaults=published_settings(runs))
        printed = {(row.entry, row.dataset, row.split): row for row in rows if _like(row)}
    found: list[TableRow] = []
    for board in boards:
        setting = f"{board.setting.backbone}, {board.setting.shots_text}"
        measures = [measure for measure in board.measures if measure != OPEN]
        for entry in board.entries:
            averages = {split: entry.averages.get("mean_of_h" if split == "H" else split) for split in measures}
            of_dataset = {name: cell.scores for name, cell in entry.cells.items()} | {AVERAGE: averages}
            for name, scores in of_dataset.items():
                cells = {
                    split: _own(estimate, printed.get((entry.key, name, split)))
                    for split in measures
                    if (estimate := scores.get(split)) is not None
                }
                found.append(TableRow(entry.key, name, setting, cells))
    return found


def _like(row: ReproductionRow) -> bool:
    """Whether a run was compared with a number of its recipe and settings."""
    return row.verdict != ReproductionVerdict.PROTOCOL_DIFFERS


def _match(
    ours: Mapping[tuple[str, str, str], ReproductionRow], number: Mapping[str, object], split: str
) -> ReproductionRow | None:
    if number["metric"] == "accuracy":
        return ours.get((str(number["dataset"]), split, "accuracy"))
    value = round(float(str(number["value"])), 6)
    candidates = (row for row in ours.values() if row.measure != "accuracy" and row.dataset == number["dataset"])
    return next((row for row in candidates if abs(row.published - value) < 1e-9), None)


def _cell(number: Mapping[str, object], row: ReproductionRow | None) -> TableCell:
    printed = str(number["printed"])
    if row is None:
        return TableCell(printed)
    scale = 100.0 if row.measure == "accuracy" else 1.0
    digits = _digits(row.measure)
    reach = "" if row.low is None or row.high is None else f"± {scale * (row.high - row.low) / 2:.{digits}f}"
    return TableCell(printed, scale * row.ours, reach, row.n, str(row.verdict), row.measure)


def _own(estimate: Estimate, row: ReproductionRow | None) -> TableCell:
    printed, verdict = ("", "") if row is None else (f"{100 * row.published:.2f}", str(row.verdict))
    return TableCell(printed, 100 * estimate.mean, reach_text(estimate), estimate.n, verdict)


def _columns_of(rows: Sequence[TableRow]) -> list[str]:
    """The splits and measures of a table, in order of appearance."""
    return list(dict.fromkeys(split for row in rows for split in row.cells))


def table_texts(rows: Sequence[TableRow]) -> Iterator[dict[str, object]]:
    """The rows as texts: for each split ours with the 95 % interval, the printed number and the verdict."""
    columns, settings = _columns_of(rows), {row.setting for row in rows}
    compared = any(cell.printed for row in rows for cell in row.cells.values())
    for row in rows:
        found: dict[str, object] = {"dataset": row.dataset, "method": row.method}
        if len(settings) > 1:
            found["backbone"] = row.setting
        for split in columns:
            cell = row.cells.get(split, TableCell())
            found[split] = _ours_text(cell)
            if compared:
                found[f"{split} printed"] = cell.printed or None
                found[f"{split} verdict"] = _MARKS.get(cell.verdict, cell.verdict)
        yield found


_MARKS = {"reproduced": "yes", "not reproduced": "NO", "under-powered": "open"}
"""Verdicts in a table: reproduced, not reproduced, and more seeds are needed."""


def _ours_text(cell: TableCell) -> str | None:
    if cell.ours is None:
        return None
    return " ".join(filter(None, [f"{cell.ours:.{_digits(cell.measure)}f}", cell.reach]))


def _digits(measure: str) -> int:
    return 2 if measure == "accuracy" else 4
