"""A table of a paper with our numbers beside the printed ones. Pure functions of frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.analysis import OPEN, Estimate, Leaderboard, build_leaderboards, reach_text
from bench.errors import UsageError
from bench.papers.printed_averages import AVERAGE
from bench.papers.published_numbers import DIFFICULTIES, published_frame, rows_of
from bench.papers.reproduction import (
    ACCURACY,
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
        digits: decimal digits of ours.
    """

    printed: str = ""
    ours: float | None = None
    reach: str = ""
    verdict: str = ""
    digits: int = 2

    @property
    def text(self) -> str | None:
        """Ours with its interval; None without runs."""
        return None if self.ours is None else f"{self.ours:.{self.digits}f} {self.reach}".rstrip()


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
    rows: dict[tuple[str, str, str], dict[str, TableCell]] = {}
    for key, group in published.groupby(_GROUP, sort=False, dropna=False):
        _, method, variant, label, backbone, *_ = key
        measured = compare_difficulty(difficulty, group) if len(difficulty) else []
        ours = {(row.dataset, row.split, row.measure): row for row in (*_compared(boards, runs, group), *measured)}
        name = str(label or (f"{method} [{variant}]" if variant else method))
        for number in rows_of(group):
            metric, split = str(number["metric"]), "all" if number["split"] == "target" else str(number["split"])
            row = ours.get((str(number["dataset"]), split, DIFFICULTIES.get(metric, metric)))
            cells = rows.setdefault((name, str(number["dataset"]), str(backbone)), {})
            cells.setdefault(split if metric == ACCURACY else metric, _cell(str(number["printed"]), row))
    return [TableRow(*key, cells=cells) for key, cells in rows.items()]


def own_rows(runs: pd.DataFrame, published: pd.DataFrame | None = None) -> list[TableRow]:
    """Our numbers, one row for each entry and dataset, and its average.

    Args:
        runs: the store's `runs_frame(outcomes=True)`.
        published: printed numbers that stand beside ours where they have the same recipe and settings; None for none.
    """
    boards = build_leaderboards(runs) if len(runs) else []
    rows = [] if published is None else _compared(boards, runs, published)
    printed = {(row.entry, row.dataset, row.split): row for row in rows}
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


def _compared(boards: Sequence[Leaderboard], runs: pd.DataFrame, published: pd.DataFrame) -> list[ReproductionRow]:
    """Our accuracies beside the printed ones of the same recipe and settings."""
    if not boards:
        return []
    rows = compare_with_published(boards, runs, published, defaults=published_settings(runs))
    return [row for row in rows if row.verdict != ReproductionVerdict.PROTOCOL_DIFFERS]


def _cell(printed: str, row: ReproductionRow | None) -> TableCell:
    if row is None:
        return TableCell(printed)
    scale, digits = (100.0, 2) if row.measure == ACCURACY else (1.0, 4)
    reach = "" if row.low is None or row.high is None else f"± {scale * (row.high - row.low) / 2:.{digits}f}"
    return TableCell(printed, scale * row.ours, reach, str(row.verdict), digits)


def _own(estimate: Estimate, row: ReproductionRow | None) -> TableCell:
    printed, verdict = ("", "") if row is None else (f"{100 * row.published:.2f}", str(row.verdict))
    return TableCell(printed, 100 * estimate.mean, reach_text(estimate), verdict)


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
            found[split] = cell.text
            if compared:
                found[f"{split} printed"] = cell.printed or None
                found[f"{split} verdict"] = _MARKS.get(cell.verdict, cell.verdict)
        yield found


_MARKS = {"reproduced": "yes", "not reproduced": "NO", "under-powered": "open"}
"""Verdicts in a table: reproduced, not reproduced, and more seeds are needed."""
