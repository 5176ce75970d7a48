"""One leaderboard with its cells, gaps and sections."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from bench.analysis.difficulty_groups import Grouping, difficulty_groups
from bench.analysis.leaderboard import Entry, H, HConvention, Leaderboard
from bench.presenters.anytime import anytime_view
from bench.presenters.catalogue import Catalogue, MethodFacts
from bench.presenters.datasets import dataset_view
from bench.presenters.difficulty import AXES, LOG_AXES, MEASURES, measured_datasets, points_of, trends_of
from bench.presenters.quality import agreement_views, cost_views, quality_views
from bench.presenters.standings import standings_view
from bench.presenters.trends import board_trends
from bench.presenters.values import value_view
from reports.views import (
    AxisView,
    BoardView,
    CellView,
    Cost,
    EntryView,
    ExampleView,
    ExcludedRunView,
    MissingView,
)

if TYPE_CHECKING:
    import pandas as pd


def board_view(
    board: Leaderboard,
    runs: pd.DataFrame,
    difficulty: pd.DataFrame,
    catalogue: Catalogue,
    *,
    anchor: str,
    examples: Callable[[str], tuple[ExampleView, ...]] = lambda _: (),
    metrics: pd.DataFrame | None = None,
    groups: Grouping = difficulty_groups,
    curves: pd.DataFrame | None = None,
) -> BoardView:
    """One leaderboard with its charts and sections.

    Args:
        board: made from the same runs.
        runs: the store's `runs_frame()`.
        difficulty: the store's `difficulty_frame()`.
        catalogue: facts of methods and datasets.
        anchor: unique on the page.
        examples: small pictures of a dataset by its name.
        metrics: `prediction_metrics.metrics_frame` of the board's runs; without it there is no calibration section.
        groups: which datasets are easy and which are hard.
        curves: the store's `curves_frame()`; without it there is no accuracy over training time.
    """
    measured = measured_datasets(difficulty, board.setting.backbone)
    cells = {(entry.key, dataset): _cell(entry, dataset) for entry in board.entries for dataset in board.datasets}
    axes = tuple(
        AxisView(name, MEASURES[name], name in LOG_AXES)
        for name in AXES
        if any(name == measure for dataset in board.datasets for measure, _ in measured[dataset].values)
    )
    entries = tuple(_entry(entry, board, catalogue.method(entry.method)) for entry in board.entries)
    points = points_of(board, measured, axes)
    return BoardView(
        anchor=anchor,
        backbone=board.setting.backbone,
        protocol=board.setting.protocol,
        shots=board.setting.shots,
        draw=board.setting.draw,
        precision=board.setting.precision,
        source=board.setting.source or None,
        seeds=board.seeds,
        measures=board.measures,
        h_convention=board.convention.value if H in board.measures else None,
        n_runs=len({run_id for entry in board.entries for run_id in entry.run_ids}),
        baseline=board.baseline,
        entries=entries,
        datasets=tuple(
            dataset_view(name, measured[name], catalogue.dataset(name), examples(name)) for name in board.datasets
        ),
        cells=cells,
        axes=axes,
        points=points,
        trends=trends_of(points, axes),
        missing=tuple(MissingView(c.entry, c.dataset, c.seed, c.error, c.run_id) for c in board.missing),
        standings=standings_view(board, runs),
        part_trends=board_trends(board, measured, {entry.key: entry.name for entry in entries}, groups),
        excluded=tuple(ExcludedRunView(a.entry, a.dataset, a.seed, a.run_id, a.reason) for a in board.excluded),
        quality=() if metrics is None else quality_views(board, metrics),
        agreement=() if metrics is None else agreement_views(board, metrics),
        costs=cost_views(board, runs),
        anytime=None if curves is None else anytime_view(board, runs, curves),
    )


def _entry(entry: Entry, board: Leaderboard, facts: MethodFacts) -> EntryView:
    averages = {measure: entry.average(measure, board.convention) for measure in board.measures}
    other = next(convention for convention in HConvention if convention is not board.convention)
    other_h = entry.average(H, other)
    details = [("config." + key, _text(value)) for key, value in sorted(entry.config.items())]
    if entry.recipe_name:
        details.append(("recipe", entry.recipe_name))
    details += [("recipe." + key, _text(value)) for key, value in sorted((entry.recipe or {}).items())]
    return EntryView(
        key=entry.key,
        method=entry.method,
        title=facts.title,
        label=entry.label,
        family=facts.family,
        summary=facts.summary,
        citation=facts.citation,
        rank=entry.rank,
        oracle=entry.oracle,
        optimism=entry.optimism,
        values={measure: value_view(estimate) for measure, estimate in averages.items() if estimate},
        other_h=value_view(other_h) if other_h else None,
        n=entry.n,
        expected=entry.expected,
        cost=Cost(**vars(entry.cost)) if entry.cost else None,
        details=tuple(details),
        run_ids=entry.run_ids,
    )


def _cell(entry: Entry, dataset: str) -> CellView:
    cell = entry.cells.get(dataset)
    if cell is None:
        return CellView(entry.key, dataset, {}, {}, 0, sum(m.dataset == dataset for m in entry.missing), ())
    values = {measure: value_view(estimate) for measure, estimate in cell.scores.items()}
    return CellView(entry.key, dataset, values, cell.gains, cell.n, cell.expected, cell.run_ids)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
