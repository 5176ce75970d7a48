"""Boards of published numbers: one for each setting, one row for each method and table."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from bench.analysis import (
    BASELINE,
    TRANSFER_PROTOCOLS,
    Candidate,
    H,
    ScoreArray,
    ScoreTable,
    dataset_difficulty,
    metrics,
)
from bench.papers.catalogue import Catalogue
from bench.papers.printed_averages import DATASETS, MEANS
from bench.papers.published_numbers import ACCURACY, PrintedNumber, Standing, numbers_of

SPLITS = ("base", "new", "all")


@dataclass(frozen=True)
class PublishedRow:
    """One method in one published table; fractions.

    Args:
        key: unique on the board.
        label: of the method in the table, or empty.
        values: by dataset of the board and measure.
        averages: by measure, if every dataset of the row has it.
        expected: number of datasets of the board.
        sources: numbers of the tables with exactly these values.
        notes: known errors.
        uses: what the method sees besides the labelled images; None if that is not known.
        rerun: whether the tables say that they trained the method of others again.
    """

    key: str
    method: str
    label: str
    values: Mapping[str, Mapping[str, float]]
    averages: Mapping[str, float]
    expected: int
    sources: tuple[int, ...]
    notes: tuple[str, ...]
    uses: tuple[str, ...] | None = ()
    rerun: bool = False

    def preference(self) -> tuple[bool, int, bool, int]:
        """The row with the largest stands for its method: complete, of most tables, not trained again, oldest."""
        return self.complete, len(self.sources), not self.rerun, -min(self.sources)

    @property
    def plain(self) -> bool:
        """Whether the method sees only the labelled images, so that it can be compared with others that do."""
        return self.uses == ()

    @property
    def n(self) -> int:
        """Number of datasets of the row."""
        return len(self.values)

    @property
    def complete(self) -> bool:
        """Whether the row has every dataset of the board."""
        return self.n == self.expected


@dataclass(frozen=True)
class PublishedBoard:
    """All published rows of one protocol, backbone and number of shots.

    Args:
        rows: those with datasets of the board, complete ones first, then those that use only the labelled images.
        one_per_title: the complete row of each title, or the one that most tables print, at equal number rather one
            that is not of another paper's training; in the same order, best first.
        baseline: key of the zero-shot row that gains refer to, or None.
        difficulty: of the datasets by covariate, where it is known.
    """

    backbone: str
    protocol: str
    shots: int
    measures: tuple[str, ...]
    datasets: tuple[str, ...]
    rows: tuple[PublishedRow, ...]
    one_per_title: tuple[PublishedRow, ...]
    baseline: str | None
    difficulty: Mapping[str, Mapping[str, float]]

    @property
    def table(self) -> ScoreTable:
        """The accuracies of one row per title. A method is chosen only among those of equal inputs (`plain`)."""
        rows, last_measure = self.one_per_title, self.measures[-1]
        errors, splits = self.difficulty["zero_shot_error"], [measure for measure in self.measures if measure != H]
        return ScoreTable(
            measures=self.measures,
            methods=tuple(
                Candidate(row.key, row.complete and row.plain and last_measure in row.averages) for row in rows
            ),
            array=ScoreArray(
                keys=tuple(row.key for row in rows),
                datasets=self.datasets,
                seeds=(1,),
                values={
                    split: np.array(
                        [[[row.values.get(name, {}).get(split, np.nan)] for name in self.datasets] for row in rows]
                    ).reshape(len(rows), len(self.datasets), 1)
                    for split in splits
                },
                averaged=self.datasets,
                seeded=(False,) * len(rows),
            ),
            baseline=self.baseline,
            averages={
                measure: {row.key: row.averages[measure] for row in rows if measure in row.averages}
                for measure in self.measures
            },
            difficulty=dict.fromkeys(self.measures, self.difficulty),
            zero_shot={name: dict.fromkeys(SPLITS, 1 - error) for name, error in errors.items()},
        )


def numbers_of_boards(published: pd.DataFrame, protocol: str | None = None) -> list[PrintedNumber]:
    """The accuracies of `published_frame()` that boards show: without ablations and means.

    Averages are recomputed from the datasets of a row. Zero-shot numbers are few-shot ones without shots, and unknown
    shots are 0. `protocol` restricts them to one protocol.
    """
    of_boards = (published["metric"] == ACCURACY) & (published["variant"] == "") & ~published["dataset"].isin(MEANS)
    numbers = [
        replace(number, protocol=number.protocol.replace("zero-shot", "few-shot"), shots=number.shots or 0)
        for number in numbers_of(published[of_boards])
    ]
    return [number for number in numbers if protocol in (None, number.protocol)]


def numbers_by_table(numbers: Iterable[PrintedNumber]) -> dict[int, list[PrintedNumber]]:
    """The numbers of each table, by the number of the table that a page refers to it with."""
    tables: dict[tuple[str, str], list[PrintedNumber]] = defaultdict(list)
    for number in numbers:
        tables[number.reported_in, number.source_table].append(number)
    return {place: tables[table] for place, table in enumerate(sorted(tables), 1)}


def boards_of_tables(
    numbers: Sequence[PrintedNumber], difficulty: pd.DataFrame, catalogue: Catalogue
) -> list[PublishedBoard]:
    """The boards with at least two rows and two datasets, those with most numbers first.

    Args:
        numbers: `numbers_of_boards` of published numbers.
        difficulty: `published_difficulty()`.
    """
    table_of = {number: place for place, of_table in numbers_by_table(numbers).items() for number in of_table}
    boards = []
    for backbone, protocol, shots in _settings(numbers):
        measures = ("base", "new", H) if protocol == "base-to-new" else ("all",)
        table_by_number = {
            number: table_of[number]
            for number in numbers
            if (number.backbone, number.protocol) == (backbone, protocol) and number.shots in (0, shots)
        }
        rows, datasets = _rows(table_by_number, protocol, measures, catalogue)
        if len(rows) < 2 or len(datasets) < 2:
            continue
        covariates = dataset_difficulty.covariates(difficulty[difficulty["backbone"] == backbone])
        covariates = {
            name: {d: x for d, x in by_dataset.items() if d in datasets} for name, by_dataset in covariates.items()
        }
        on_board = [row for row in rows if row.n]
        baseline, one_per_title = _one_per_title(on_board, catalogue)
        boards.append(
            PublishedBoard(
                backbone=backbone,
                protocol=protocol,
                shots=shots,
                measures=measures,
                datasets=tuple(datasets),
                rows=_ranked(
                    on_board, measures[-1], lambda row: (catalogue.row_title(row.method, row.label), row.sources)
                ),
                one_per_title=_ranked(one_per_title, measures[-1], lambda row: (row.key,)),
                baseline=baseline.key if baseline else None,
                difficulty=covariates,
            )
        )
    return boards


def _settings(numbers: Iterable[PrintedNumber]) -> list[tuple[str, str, int]]:
    """Settings, those with most numbers first; rows without shots join the others of their backbone and protocol."""
    counts = Counter((number.backbone, number.protocol, number.shots or 0) for number in numbers)
    trained = {(backbone, kind) for backbone, kind, shots in counts if shots > 0}
    settings = [key for key in counts if key[2] > 0 or (key[0], key[1]) not in trained]
    return sorted(settings, key=lambda key: (-counts[key], key))


def _rows(
    table_of: Mapping[PrintedNumber, int], protocol: str, measures: Sequence[str], catalogue: Catalogue
) -> tuple[list[PublishedRow], list[str]]:
    """The rows of some numbers on the datasets of their board, H computed if missing, and these datasets.

    Equal rows of one method become one row with several sources, the one of its key first. A row may have none of the
    datasets.
    """
    values: dict[tuple[str, str, int], dict[str, dict[str, float]]] = {}
    notes: dict[tuple[str, str, int], set[str]] = defaultdict(set)
    reruns: set[tuple[str, str, int]] = set()
    for number, table in table_of.items():
        if protocol in TRANSFER_PROTOCOLS and number.split != "target":
            continue  # the training dataset
        place = number.method, number.label, table
        cell = values.setdefault(place, {}).setdefault(number.dataset, {})
        cell.setdefault(number.run_split, number.value)
        if number.standing == Standing.RERUN:
            reruns.add(place)
        if number.note:
            notes[place].add(f"{number.dataset} {number.split}: {number.note}")
    equal: dict[object, list[tuple[str, str, int]]] = defaultdict(list)
    for place, cells in values.items():
        equal[place[0], tuple(sorted((d, tuple(sorted(cell.items()))) for d, cell in cells.items()))].append(place)
    for cell in (cell for cells in values.values() for cell in cells.values()):
        if {"base", "new"} <= set(cell):
            cell.setdefault(H, metrics.harmonic_mean(cell["base"], cell["new"]))
    datasets = _datasets([values[first] for first, *_ in equal.values()])
    rows = []
    for places in equal.values():
        method, label, table = places[0]
        on_board = {dataset: values[places[0]][dataset] for dataset in datasets if dataset in values[places[0]]}
        rows.append(
            PublishedRow(
                key="@".join(filter(None, (method, str(table), label))),
                method=method,
                label=label,
                values=on_board,
                averages=_averages(list(on_board.values()), measures),
                expected=len(datasets),
                sources=tuple(number for _, _, number in places),
                notes=tuple(sorted(set().union(*(notes[place] for place in places)))),
                uses=catalogue.method(method).uses,
                rerun=reruns.issuperset(places),
            )
        )
    return rows, datasets


def _datasets(rows: Sequence[Mapping[str, object]]) -> list[str]:
    """Datasets of the board in CoOp's order, without rare ones, which would make most rows incomplete."""
    counts = Counter(dataset for row in rows for dataset in row)
    most = max(counts.values(), default=0)
    common = [dataset for dataset, n in counts.items() if 4 * n >= most]
    return sorted(common, key=lambda d: (DATASETS.index(d) if d in DATASETS else len(DATASETS), d))


def _averages(cells: Sequence[Mapping[str, float]], measures: Sequence[str]) -> dict[str, float]:
    """The averages of the measures that all cells have; H is that of the averages."""
    averages = {
        measure: sum(cell[measure] for cell in cells) / len(cells)
        for measure in measures
        if cells and all(measure in cell for cell in cells)
    }
    if H in measures and {"base", "new"} <= set(averages):
        averages[H] = metrics.harmonic_mean(averages["base"], averages["new"])
    return averages


def _one_per_title(
    rows: Sequence[PublishedRow], catalogue: Catalogue
) -> tuple[PublishedRow | None, list[PublishedRow]]:
    """The complete zero-shot row that most tables agree on, None without one, and one row of each title."""
    zero_shot = [row for row in rows if row.method == BASELINE]
    baseline = max((row for row in zero_shot if row.complete), key=PublishedRow.preference, default=None)
    if baseline is not None:  # tables name zero-shot in several ways; the baseline stands for all
        rows = [
            baseline,
            *(row for row in sorted(rows, key=PublishedRow.preference, reverse=True) if row.method != BASELINE),
        ]
    else:
        rows = sorted(rows, key=PublishedRow.preference, reverse=True)
    chosen: dict[str, PublishedRow] = {}
    for row in rows:
        chosen.setdefault(catalogue.row_title(row.method, row.label), row)
    return baseline, list(chosen.values())


def _ranked(
    rows: Sequence[PublishedRow], measure: str, tie: Callable[[PublishedRow], tuple[object, ...]]
) -> tuple[PublishedRow, ...]:
    """Complete rows first, then those that use only the labelled images, best first, with their sources in order."""
    rows = [replace(row, sources=tuple(sorted(row.sources))) for row in rows]
    return tuple(
        sorted(rows, key=lambda row: (not row.complete, not row.plain, -row.averages.get(measure, -1.0), *tie(row)))
    )
