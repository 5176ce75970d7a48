"""A table of a paper with our numbers beside the printed ones, laid out as papers do. Pure functions of frames."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bench.analysis import OPEN, HConvention, Leaderboard, build_leaderboards
from bench.errors import UsageError
from bench.papers.printed_averages import AVERAGE
from bench.papers.published_numbers import ACCURACY, DIFFICULTIES, numbers_of, published_frame
from bench.papers.reproduction import (
    ReproductionRow,
    ReproductionVerdict,
    compare_with_published,
)
from bench.score_texts import reach_text
from datasets_registry import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

_ORACLE = "oracle"
"""The rule, or the value of a setting, that selects with test labels."""
_LEFT_OUT = ("training_epochs",)
"""Printed numbers that are settings."""
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
        ranked: whether it can be the best of its column: an accuracy, and nothing was selected with test labels.
        misprint: what is known of a printed number that another one was probably meant; empty for all others.
    """

    printed: str = ""
    ours: float | None = None
    reach: str = ""
    verdict: str = ""
    digits: int = 2
    ranked: bool = True
    misprint: str = ""

    @property
    def ranked_numbers(self) -> tuple[float | None, float | None]:
        """Ours as it is shown, and the printed number; None for one that is missing or cannot be the best."""
        ours = round(self.ours, self.digits) if self.ranked and self.ours is not None else None
        try:
            return ours, float(self.printed) if self.ranked else None
        except ValueError:
            return ours, None


@dataclass(frozen=True)
class TableRow:
    """The numbers of one method on one dataset or average, by split; `stands_for` is the paper's dataset."""

    method: str
    dataset: str
    setting: str
    cells: Mapping[str, TableCell] = field(default_factory=dict)
    stands_for: str = ""


def printed_numbers(reported_in: str, tables: Sequence[str]) -> pd.DataFrame:
    """The numbers of some tables of a paper in the ledger.

    Raises UsageError for a paper or table that the ledger does not have.
    """
    frame = published_frame()
    of_paper = frame[frame["reported_in"] == reported_in]
    if of_paper.empty:
        papers = sorted(frame["reported_in"].unique())
        raise UsageError(f"The ledger has no numbers of {reported_in!r}.{did_you_mean(reported_in, papers)}")
    table_names = list(of_paper["source_table"].unique())
    for name in tables:
        if name not in table_names:
            raise UsageError(
                f"The ledger has no table {name!r} of {reported_in}. Its tables: {', '.join(map(repr, table_names))}."
            )
    return of_paper[of_paper["source_table"].isin(list(tables))]


def reproduced_rows(published: pd.DataFrame, runs: pd.DataFrame, difficulty: pd.DataFrame) -> list[TableRow]:
    """The rows of a table, in the order of the paper. Printed settings, such as numbers of epochs, are left out.

    Args:
        published: printed numbers; a number that no run meets has no number of ours.
        runs: the store's `runs_frame()` of the table's runs.
        difficulty: the store's `difficulty_frame()`.
    """
    published = published[~published["metric"].isin(_LEFT_OUT)]
    boards = build_leaderboards(runs) if len(runs) else []
    rows: dict[tuple[str, str, str], dict[str, TableCell]] = {}
    for key, group in published.groupby(_GROUP, sort=False, dropna=False):
        _, method, variant, label, backbone, *_ = key
        row_by_cell = {(row.dataset, row.split, row.measure): row for row in _compared(boards, group, difficulty)}
        name = str(label or (f"{method} [{variant}]" if variant else method))
        for number in numbers_of(group):
            metric, split = number.metric, number.run_split
            row = row_by_cell.get((number.dataset, split, DIFFICULTIES.get(metric, metric)))
            ranked = metric == ACCURACY and _ORACLE not in number.stated.values()
            misprint = "" if number.likely is None else number.note
            cell = TableCell(number.printed, ranked=ranked, misprint=misprint)
            if row is not None:
                scale, digits = (100.0, 2) if metric == ACCURACY else (1.0, 4)
                reach = ""
                if row.low is not None and row.high is not None:
                    reach = f"± {scale * (row.high - row.low) / 2:.{digits}f}"
                cell = replace(cell, ours=scale * row.ours, reach=reach, verdict=str(row.verdict), digits=digits)
            cells = rows.setdefault((name, number.dataset, str(backbone)), {})
            cells.setdefault(split if metric == ACCURACY else metric, cell)
    return [TableRow(*key, cells=cells) for key, cells in rows.items()]


def own_rows(
    runs: pd.DataFrame,
    published: pd.DataFrame | None = None,
    *,
    order: Sequence[str] = (),
    stands_for: Mapping[str, str] | None = None,
    averages: bool = True,
) -> list[TableRow]:
    """Our numbers but for the open score, one row for each entry and dataset, and by default its average.

    Args:
        runs: the store's `runs_frame(outcomes=True)`.
        published: printed numbers that stand beside ours where they have the same recipe and settings; None for none.
        order: run ids; entries and datasets stand in the order of their first run, the source first. Default: highest
            average first.
        stands_for: the paper's dataset by the synthetic one.
        averages: False where runs are missing: an average would be over fewer datasets than planned.
    """
    boards = build_leaderboards(runs) if len(runs) else []
    place = {run_id: number for number, run_id in enumerate(order)}

    def first(run_ids: Iterable[str]) -> int:
        return min((place.get(run_id, len(place)) for run_id in run_ids), default=len(place))

    rows = [] if published is None else _compared(boards, published)
    printed = {(row.entry, row.dataset, row.split): row for row in rows}
    table_rows: list[TableRow] = []
    for board in boards:
        setting = f"{board.setting.backbone}, {board.setting.shots_text}"
        measures = [measure for measure in board.measures if measure != OPEN]
        for entry in sorted(board.entries, key=lambda entry: first(entry.run_ids)):
            ranked = not entry.oracle and _ORACLE not in entry.config.values()
            source, array = board.setting.source, board.array
            datasets = [name for name in board.datasets if array.has(entry.key, name)]
            datasets.sort(key=lambda name: (name != source, first(array.ids(entry.key, name))))
            of_dataset = {name: {split: board.score(entry.key, name, split) for split in measures} for name in datasets}
            if averages and len(of_dataset) > 1:
                of_dataset[AVERAGE] = {m: board.average(entry.key, m, HConvention.MEAN_OF_H) for m in measures}
            for name, scores in of_dataset.items():
                cells = {}
                for split in measures:
                    if (estimate := scores.get(split)) is None:
                        continue
                    reach = reach_text(estimate.mean, estimate.low, estimate.high)
                    cell = TableCell(ours=100 * estimate.mean, reach=reach, ranked=ranked)
                    if (row := printed.get((entry.key, name, split))) is not None:
                        cell = replace(cell, printed=f"{100 * row.published:.2f}", verdict=str(row.verdict))
                    cells[split] = cell
                table_rows.append(TableRow(entry.key, name, setting, cells, (stands_for or {}).get(name, "")))
    return table_rows


def _compared(
    boards: Sequence[Leaderboard], published: pd.DataFrame, difficulty: pd.DataFrame | None = None
) -> list[ReproductionRow]:
    """Ours beside the printed numbers of the same recipe and settings."""
    rows = compare_with_published(boards, published, difficulty=difficulty)
    return [row for row in rows if row.verdict != ReproductionVerdict.PROTOCOL_DIFFERS]


def table_texts(rows: Sequence[TableRow]) -> Iterator[dict[str, object]]:
    """The lines of a table as papers lay them out.

    A table of one measure has a line for each method and a column for each dataset. Otherwise each dataset has a line
    for each method, and each measure a column. The average is last. A cell has ours with the 95 % interval and, below,
    the printed number and the verdict; below a method is its setting, if there are several, without a backbone that all
    share. `*` stands at the highest of several methods on a dataset, among ours and among the printed, without those
    selected with test labels.
    """
    splits = list(dict.fromkeys(split for row in rows for split in row.cells))
    best = _highest(rows)
    several = len({row.setting for row in rows}) > 1
    backbones = {row.setting.partition(", ")[0] for row in rows}

    def text(row: TableRow, split: str) -> str | None:
        return _cell_text(row.cells.get(split, TableCell()), best.get((row.setting, row.dataset, split), (None, None)))

    def method(row: TableRow) -> str:
        setting = row.setting if len(backbones) > 1 else row.setting.partition(", ")[2]
        return f"{row.method}\n{setting}" if several else row.method

    datasets = {row.dataset: row.stands_for or None for row in sorted(rows, key=lambda row: row.dataset == AVERAGE)}
    if len(splits) != 1:
        place = {name: number for number, name in enumerate(datasets)}
        for row in sorted(rows, key=lambda row: place[row.dataset]):
            yield {
                "dataset": row.dataset,
                **({"stands for": row.stands_for or None} if any(table_row.stands_for for table_row in rows) else {}),
                "method": method(row),
                **{split: text(row, split) for split in splits},
            }
        return
    lines: dict[str, dict[str, TableRow]] = {}
    for row in rows:
        lines.setdefault(method(row), {})[row.dataset] = row
    if any(datasets.values()):
        yield {"method": "(stands for)", **datasets}
    for name, of_dataset in lines.items():
        cells = {
            dataset: text(of_dataset[dataset], splits[0]) if dataset in of_dataset else None for dataset in datasets
        }
        yield {"method": name, **cells}


_MARKS = {"reproduced": "yes", "not reproduced": "NO", "under-powered": "open"}
"""Verdicts in a table: reproduced, not reproduced, and more seeds are needed."""
_Best = tuple[float | None, float | None]
"""The highest of ours and of the printed numbers; None unless there are several."""


def _highest(rows: Sequence[TableRow]) -> dict[tuple[str, str, str], _Best]:
    """The highest numbers of each setting, dataset and split."""
    numbers: dict[tuple[str, str, str], tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for row in rows:
        for split, cell in row.cells.items():
            for column, number in zip(numbers[row.setting, row.dataset, split], cell.ranked_numbers, strict=True):
                if number is not None:
                    column.append(number)
    return {
        key: (max(ours) if len(ours) > 1 else None, max(printed) if len(printed) > 1 else None)
        for key, (ours, printed) in numbers.items()
    }


def _cell_text(cell: TableCell, best: _Best) -> str | None:
    numbers = zip(cell.ranked_numbers, best, strict=True)
    own_star, printed_star = ("*" if number is not None and number == highest else "" for number, highest in numbers)
    our_number = None if cell.ours is None else f"{cell.ours:.{cell.digits}f}{own_star} {cell.reach}".rstrip()
    if not cell.printed:
        return our_number
    mark = " (misprint)" if cell.misprint else ""
    printed = f"{cell.printed}{printed_star}{mark} {_MARKS.get(cell.verdict, cell.verdict)}".rstrip()
    return printed if our_number is None else f"{our_number}\n{printed}"
