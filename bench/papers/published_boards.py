"""Boards of published numbers: one for each setting, one row for each method and table."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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
from bench.papers.printed_averages import DATASETS

PUBLISHED_MEANS = ("average", "easy", "challenge")
"""Published means; averages are recomputed from the datasets of a row."""
SPLITS = ("base", "new", "all")


@dataclass(frozen=True)
class PublishedSource:
    """A published table; rows refer to it by `number`, and `cells` of its numbers are shown."""

    number: int
    reported_in: str
    table: str
    url: str
    cells: int
    notes: tuple[str, ...]


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
        one_per_title: the complete row of each title, or the one that most tables print; in the same order, best first.
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
        rows, shown = self.one_per_title, self.measures[-1]
        errors, splits = self.difficulty["zero_shot_error"], [measure for measure in self.measures if measure != H]
        return ScoreTable(
            measures=self.measures,
            methods=tuple(Candidate(row.key, row.complete and row.plain and shown in row.averages) for row in rows),
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


def published_sources(rows: pd.DataFrame) -> tuple[PublishedSource, ...]:
    """The tables that `numbered_rows` come from, by number."""
    return tuple(_source(part) for _, part in rows.groupby("number"))


def _source(rows: pd.DataFrame) -> PublishedSource:
    first = rows.iloc[0]
    notes = tuple(sorted({str(note) for note in rows["note"] if note}))
    reported_in, table, url = (str(first[column]) for column in ("reported_in", "source_table", "url"))
    return PublishedSource(int(first["number"]), reported_in, table, url, len(rows), notes)


def numbered_rows(published: pd.DataFrame, protocol: str | None = None) -> pd.DataFrame:
    """The accuracies of `published_frame()` without ablations and means, with the `number` of their table.

    `protocol` restricts them to one protocol.
    """
    rows = published[
        (published["metric"] == "accuracy") & (published["variant"] == "") & ~published["dataset"].isin(PUBLISHED_MEANS)
    ]
    rows = rows.assign(protocol=rows["protocol"].replace("zero-shot", "few-shot"), shots=rows["shots"].fillna(0))
    if protocol is not None:
        rows = rows[rows["protocol"] == protocol]
    return rows.assign(number=rows.groupby(["reported_in", "source_table"]).ngroup() + 1)


def boards_of_tables(rows: pd.DataFrame, difficulty: pd.DataFrame, catalogue: Catalogue) -> list[PublishedBoard]:
    """The boards with at least two rows and two datasets, those with most numbers first.

    Args:
        rows: `numbered_rows` of published numbers.
        difficulty: `published_difficulty()`.
    """
    boards = []
    for backbone, protocol, shots in _settings(rows):
        found = _collect(rows, backbone, protocol, shots)
        datasets = _datasets(found)
        if len(found) < 2 or len(datasets) < 2:
            continue
        known = dataset_difficulty.covariates(difficulty[difficulty["backbone"] == backbone])
        known = {name: {d: x for d, x in by_dataset.items() if d in datasets} for name, by_dataset in known.items()}
        measures = ("base", "new", H) if protocol == "base-to-new" else ("all",)
        baseline = _baseline(found, datasets)
        boards.append(
            PublishedBoard(
                backbone=backbone,
                protocol=protocol,
                shots=shots,
                measures=measures,
                datasets=tuple(datasets),
                rows=_ordered([_row(row, datasets, measures, catalogue) for row in found], measures[-1], catalogue),
                one_per_title=_one_per_title(found, datasets, measures, baseline, catalogue),
                baseline=baseline.key if baseline else None,
                difficulty=known,
            )
        )
    return boards


@dataclass
class _Row:
    method: str
    label: str
    source: int
    values: dict[str, dict[str, float]] = field(default_factory=dict)
    notes: set[str] = field(default_factory=set)
    sources: list[int] = field(default_factory=list)

    @property
    def key(self) -> str:
        return f"{self.method}@{self.source}" + (f"@{self.label}" if self.label else "")


def _settings(rows: pd.DataFrame) -> list[tuple[str, str, int]]:
    """Settings, those with most numbers first; rows without shots join the others of their backbone and protocol."""
    counts = Counter(
        (str(b), str(p), int(s)) for b, p, s in rows[["backbone", "protocol", "shots"]].itertuples(index=False)
    )
    trained = {(backbone, kind) for backbone, kind, shots in counts if shots > 0}
    shown = [key for key in counts if key[2] > 0 or (key[0], key[1]) not in trained]
    return sorted(shown, key=lambda key: (-counts[key], key))


def _collect(rows: pd.DataFrame, backbone: str, kind: str, shots: int) -> list[_Row]:
    """Rows as published, H computed if missing; equal rows of one method become one row with several sources."""
    here = rows[(rows["backbone"] == backbone) & (rows["protocol"] == kind) & rows["shots"].isin([0, shots])]
    found: dict[tuple[str, str, int], _Row] = {}
    columns = ["method", "label", "number", "dataset", "split", "value", "note"]
    for method, label, number, dataset, split, value, note in here[columns].itertuples(index=False):
        if kind in TRANSFER_PROTOCOLS and split != "target":
            continue  # the training dataset
        row = found.setdefault((method, label, number), _Row(str(method), str(label), number, sources=[number]))
        measure = "all" if split == "target" else str(split)
        row.values.setdefault(str(dataset), {}).setdefault(measure, float(value))
        if note:
            row.notes.add(f"{dataset} {split}: {note}")
    merged: dict[tuple[object, ...], _Row] = {}
    for row in found.values():
        values = tuple(sorted((d, tuple(sorted(v.items()))) for d, v in row.values.items()))
        first = merged.setdefault((row.method, values), row)
        if first is not row:
            first.sources.append(row.source)
            first.notes |= row.notes
    for cell in (cell for row in merged.values() for cell in row.values.values()):
        if {"base", "new"} <= set(cell):
            cell.setdefault(H, metrics.harmonic_mean(cell["base"], cell["new"]))
    return list(merged.values())


def _datasets(rows: Sequence[_Row]) -> list[str]:
    """Datasets of the board in CoOp's order, without rare ones, which would make most rows incomplete."""
    counts = Counter(dataset for row in rows for dataset in row.values)
    most = max(counts.values(), default=0)
    common = [dataset for dataset, n in counts.items() if 4 * n >= most]
    return sorted(common, key=lambda d: (DATASETS.index(d) if d in DATASETS else len(DATASETS), d))


def _ordered(rows: Sequence[PublishedRow], shown: str, catalogue: Catalogue) -> tuple[PublishedRow, ...]:
    """The rows that have datasets of the board: complete ones first, then by the shown measure."""

    def order(row: PublishedRow) -> tuple[object, ...]:
        title = catalogue.row_title(row.method, row.label)
        return not row.complete, not row.plain, -row.averages.get(shown, -1.0), title, row.sources

    return tuple(sorted((row for row in rows if row.n), key=order))


def _one_per_title(
    rows: Sequence[_Row], datasets: Sequence[str], measures: Sequence[str], baseline: _Row | None, catalogue: Catalogue
) -> tuple[PublishedRow, ...]:
    chosen: dict[str, _Row] = {}

    def preference(row: _Row) -> tuple[bool, int, int]:
        return set(datasets) <= set(row.values), len(row.sources), -row.source

    for row in rows:
        if baseline is not None and row.method == BASELINE:
            continue  # tables name zero-shot in several ways; the baseline stands for all
        title = catalogue.row_title(row.method, row.label)
        first = chosen.get(title)
        if set(datasets) & set(row.values) and (first is None or preference(row) > preference(first)):
            chosen[title] = row
    if baseline is not None:
        chosen[catalogue.row_title(baseline.method, baseline.label)] = baseline
    shown, found = measures[-1], [_row(row, datasets, measures, catalogue) for row in chosen.values()]
    return tuple(
        sorted(found, key=lambda row: (not row.complete, not row.plain, -row.averages.get(shown, -1.0), row.key))
    )


def _row(row: _Row, datasets: Sequence[str], measures: Sequence[str], catalogue: Catalogue) -> PublishedRow:
    values = {dataset: row.values[dataset] for dataset in datasets if dataset in row.values}
    averages = {
        measure: sum(cell[measure] for cell in values.values()) / len(values)
        for measure in measures
        if values and all(measure in cell for cell in values.values())
    }
    if H in measures and {"base", "new"} <= set(averages):
        averages[H] = metrics.harmonic_mean(averages["base"], averages["new"])
    return PublishedRow(
        key=row.key,
        method=row.method,
        label=row.label,
        values=values,
        averages=averages,
        expected=len(datasets),
        sources=tuple(sorted(row.sources)),
        notes=tuple(sorted(row.notes)),
        uses=catalogue.method(row.method).uses,
    )


def _baseline(rows: Sequence[_Row], datasets: Sequence[str]) -> _Row | None:
    """The complete zero-shot row that most tables agree on."""
    known = [row for row in rows if row.method == BASELINE and set(datasets) <= set(row.values)]
    return max(known, key=lambda row: (len(row.sources), -row.source), default=None)
