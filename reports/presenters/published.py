"""The page of published numbers, as a view: one board per setting, one row per method and table, and trends."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from bench.analysis import (
    BASELINE,
    FEWEST_DATASETS,
    PUBLISHED_CONTRASTS,
    Grouping,
    H,
    covariates,
    difficulty_groups,
    harmonic_mean,
)
from bench.papers import DATASETS, Catalogue
from reports.presenters.answer import ResultsHere
from reports.presenters.boards import minute
from reports.presenters.overview import overview
from reports.presenters.site import anchor_of
from reports.presenters.trends import SPLIT_OF, trends_view
from reports.views import (
    OverviewView,
    PlacedDatasetView,
    PublishedBoardView,
    PublishedRowView,
    RankedMethodView,
    SiteView,
    SourceView,
    TrendsView,
)

MEANS = ("average", "easy", "challenge")
"""Published means; averages are recomputed from the datasets of a row."""


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


def published_site(
    published: pd.DataFrame,
    difficulty: pd.DataFrame,
    catalogue: Catalogue,
    *,
    package_version: str,
    generated_at: datetime | None = None,
    protocol: str | None = None,
    groups: Grouping = difficulty_groups,
) -> SiteView:
    """The page of `bench.papers.published_frame()` and `published_difficulty()`; `protocol` restricts it to one."""
    rows = published[
        (published["metric"] == "accuracy") & (published["variant"] == "") & ~published["dataset"].isin(MEANS)
    ]
    rows = rows.assign(protocol=rows["protocol"].replace("zero-shot", "few-shot"), shots=rows["shots"].fillna(0))
    if protocol is not None:
        rows = rows[rows["protocol"] == protocol]
    rows = rows.assign(number=rows.groupby(["reported_in", "source_table"]).ngroup() + 1)
    boards: list[PublishedBoardView] = []
    overviews: list[OverviewView] = []
    for backbone, kind, shots in _settings(rows):
        found = _collect(rows, backbone, kind, shots)
        datasets = _datasets(found)
        if len(found) < 2 or len(datasets) < 2:
            continue
        anchor = anchor_of(f"published {backbone} {kind} {shots}", {board.anchor for board in boards})
        known = covariates(difficulty[difficulty["backbone"] == backbone])
        measures = ("base", "new", H) if kind == "base-to-new" else ("all",)
        baseline = _baseline(found, datasets)
        board = PublishedBoardView(
            anchor=anchor,
            backbone=backbone,
            protocol=kind,
            shots=shots,
            measures=measures,
            datasets=tuple(catalogue.dataset(name) for name in datasets),
            rows=_ordered([_row(row, datasets, measures, catalogue) for row in found], measures[-1]),
            baseline=_with_numbers(baseline, catalogue) if baseline else None,
            part_trends=_trends(found, datasets, measures, known, catalogue, baseline, groups),
        )
        boards.append(board)
        overviews.append(_overview(board, found, baseline, known, catalogue, groups))
    return SiteView(
        title="Published results of CLIP transfer methods",
        package_version=package_version,
        generated_at=minute(generated_at or datetime.now(UTC)),
        published_boards=tuple(boards),
        overviews=tuple(overviews),
        sources=tuple(_source(part) for _, part in rows.groupby("number")),
    )


def _overview(
    board: PublishedBoardView,
    rows: Sequence[_Row],
    baseline: _Row | None,
    known: Mapping[str, Mapping[str, float]],
    catalogue: Catalogue,
    groups: Grouping,
) -> OverviewView:
    """The first screen, with one row per method: complete rows first, then the row that most tables print."""
    names = [dataset.name for dataset in board.datasets]
    chosen: dict[str, _Row] = {}

    def preference(row: _Row) -> tuple[bool, int, int]:
        return set(names) <= set(row.values), len(row.sources), -row.source

    for row in rows:
        title, first = _title(row, catalogue), chosen.get(_title(row, catalogue))
        if set(names) & set(row.values) and (first is None or preference(row) > preference(first)):
            chosen[title] = row
    if baseline is not None:
        chosen[_title(baseline, catalogue)] = baseline
    views = {row.key: _row(row, names, board.measures, catalogue) for row in chosen.values()}
    shown = board.measures[-1]
    order = sorted(views, key=lambda key: (not views[key].complete, -views[key].averages.get(shown, -1.0), key))
    splits = [measure for measure in board.measures if measure != H]
    along = {name: {d: x for d, x in by_dataset.items() if d in names} for name, by_dataset in known.items()}
    return overview(
        anchor=board.anchor,
        setting=f"published numbers, {board.protocol}, {board.shots} shot{'s' if board.shots != 1 else ''}",
        backbone=board.backbone,
        n_runs=0,
        seeds=(),
        baseline=baseline.key if baseline else None,
        methods=tuple(
            RankedMethodView(
                key, views[key].title, views[key].family, views[key].complete and shown in views[key].averages
            )
            for key in order
        ),
        datasets=tuple(
            PlacedDatasetView(
                dataset.name,
                dataset.title,
                dict.fromkeys(SPLIT_OF.values(), round(1 / along["chance"][dataset.name])),
                dict.fromkeys(SPLIT_OF.values(), 1 - along["zero_shot_error"][dataset.name]),
            )
            if dataset.name in along["chance"]
            else PlacedDatasetView(dataset.name, dataset.title, {}, {})
            for dataset in board.datasets
        ),
        measures=board.measures,
        scores={
            (key, dataset): {split: (cell[split],) for split in splits if split in cell}
            for key in order
            for dataset, cell in views[key].values.items()
        },
        averages={
            measure: {key: views[key].averages[measure] for key in order if measure in views[key].averages}
            for measure in board.measures
        },
        difficulty=dict.fromkeys(board.measures, along),
        tests=lambda _measure, _leader: ResultsHere({}, ()),
        groups=groups,
        h_convention="h_of_means" if H in board.measures else None,
    )


def _source(rows: pd.DataFrame) -> SourceView:
    """The table that some rows come from."""
    first = rows.iloc[0]
    notes = tuple(sorted({str(note) for note in rows["note"] if note}))
    reported_in, table, url = (str(first[column]) for column in ("reported_in", "source_table", "url"))
    return SourceView(int(first["number"]), reported_in, table, url, len(rows), notes)


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
        if kind in ("cross-dataset", "domain-generalization") and split != "target":
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
            cell.setdefault(H, harmonic_mean(cell["base"], cell["new"]))
    return list(merged.values())


def _datasets(rows: Sequence[_Row]) -> list[str]:
    """Datasets of the board in CoOp's order, without rare ones, which would make most rows incomplete."""
    counts = Counter(dataset for row in rows for dataset in row.values)
    most = max(counts.values(), default=0)
    common = [dataset for dataset, n in counts.items() if 4 * n >= most]
    return sorted(common, key=lambda d: (DATASETS.index(d) if d in DATASETS else len(DATASETS), d))


def _ordered(views: Sequence[PublishedRowView], shown: str) -> tuple[PublishedRowView, ...]:
    """The rows that have datasets of the board: complete ones first, then by the shown measure."""

    def order(view: PublishedRowView) -> tuple[object, ...]:
        return not view.complete, -view.averages.get(shown, -1.0), view.title, view.sources

    return tuple(sorted((view for view in views if view.n), key=order))


def _row(row: _Row, datasets: Sequence[str], measures: Sequence[str], catalogue: Catalogue) -> PublishedRowView:
    values = {dataset: row.values[dataset] for dataset in datasets if dataset in row.values}
    averages = {
        measure: sum(cell[measure] for cell in values.values()) / len(values)
        for measure in measures
        if values and all(measure in cell for cell in values.values())
    }
    if H in measures and {"base", "new"} <= set(averages):
        averages[H] = harmonic_mean(averages["base"], averages["new"])
    return PublishedRowView(
        title=_title(row, catalogue),
        family=catalogue.method(row.method).family if row.method in catalogue.methods else "",
        values=values,
        averages=averages,
        n=len(values),
        expected=len(datasets),
        sources=tuple(sorted(row.sources)),
        notes=tuple(sorted(row.notes)),
    )


def _title(row: _Row, catalogue: Catalogue) -> str:
    title = catalogue.method(row.method).title
    return f"{title} ({row.label})" if row.label and row.label != title else title


def _with_numbers(row: _Row, catalogue: Catalogue) -> str:
    numbers = sorted(row.sources)
    return f"{_title(row, catalogue)} [{', '.join(map(str, numbers[:3]))}{' …' if len(numbers) > 3 else ''}]"


def _baseline(rows: Sequence[_Row], datasets: Sequence[str]) -> _Row | None:
    """The complete zero-shot row that most tables agree on."""
    known = [row for row in rows if row.method == BASELINE and set(datasets) <= set(row.values)]
    return max(known, key=lambda row: (len(row.sources), -row.source), default=None)


def _trends(
    rows: Sequence[_Row],
    datasets: Sequence[str],
    measures: Sequence[str],
    known: Mapping[str, Mapping[str, float]],
    catalogue: Catalogue,
    baseline: _Row | None,
    groups: Grouping,
) -> tuple[TrendsView, ...]:
    """Trends over the datasets of known difficulty; contrasts pair two rows of one table."""
    along = {name: {d: x for d, x in by_dataset.items() if d in datasets} for name, by_dataset in known.items()}
    if len(along["chance"]) < FEWEST_DATASETS:
        return ()
    contrasts, titles = _pairs(rows, measures[-1]), {row.key: _with_numbers(row, catalogue) for row in rows}
    options: dict[str, Any] = {
        "baseline": baseline.key if baseline else "",
        "expected": len(datasets),
        "groups": groups,
    }
    views = []
    for measure in measures:
        table = [
            (row.key, dataset, cell[measure])
            for row in rows
            for dataset, cell in row.values.items()
            if measure in cell and dataset in datasets
        ]
        values = pd.DataFrame(table, columns=["method", "dataset", "value"])
        views.append(trends_view(values, along, measure, titles, contrasts, **options))
    return tuple(views)


def _pairs(rows: Sequence[_Row], measure: str) -> list[tuple[str, str, str]]:
    """Contrasts of two rows of one table, without near copies of earlier ones."""
    by_method: dict[str, list[_Row]] = defaultdict(list)
    for row in rows:
        if not row.label:
            by_method[row.method].append(row)
    found: list[tuple[str, str, str]] = []
    for part, method, without in PUBLISHED_CONTRASTS:
        kept: list[dict[str, float]] = []
        for first in by_method[method]:
            for second in by_method[without]:
                differences = _differences(first, second, measure)
                shared = set(first.sources) & set(second.sources)
                if shared and differences and not any(_copies(differences, earlier) for earlier in kept):
                    kept.append(differences)
                    found.append((part, first.key, second.key))
    return found


def _differences(first: _Row, second: _Row, measure: str) -> dict[str, float]:
    a, b = first.values, second.values
    return {d: a[d][measure] - b[d][measure] for d in a if d in b and measure in a[d] and measure in b[d]}


def _copies(differences: Mapping[str, float], earlier: Mapping[str, float]) -> bool:
    """Whether all but two of the datasets have the same difference, to the published digits."""
    shared = set(differences) & set(earlier)
    alike = sum(abs(differences[d] - earlier[d]) < 0.00015 for d in shared)
    return len(shared) > 2 and alike >= len(shared) - 2
