"""One leaderboard with its cells, missing runs and sections."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from bench._util.shots import ALL_SHOTS
from bench.analysis.difficulty_groups import Grouping, difficulty_groups
from bench.analysis.leaderboard import Entry, H, HConvention, Leaderboard
from bench.analysis.quality import agreement, quality
from bench.analysis.ranking import rank_entries
from bench.analysis.selection_rules import selection_command, selection_differences
from bench.analysis.table_exports import export_table, to_csv, to_latex, to_markdown
from bench.presenters.anytime import anytime_view
from bench.presenters.catalogue import Catalogue, overlap_statements
from bench.presenters.costs import SEED, cost_views
from bench.presenters.difficulty import dataset_view, measured_datasets
from bench.presenters.selection import selection_views
from bench.presenters.trends import board_trends
from bench.presenters.values import view_of
from reports.views import BoardView, CellView, EntryView, ExampleView


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
    """One leaderboard with its sections; `anchor` is unique on the page, and `board` was computed from `runs`.

    Args:
        metrics: `prediction_metrics.metrics_frame` of the runs, None for no calibration section.
        curves: the store's `curves_frame()`, None for no accuracy over training time.
    """
    setting = board.setting
    measured = measured_datasets(difficulty, setting.backbone)
    entries = tuple(_entry(entry, board, catalogue) for entry in board.entries)
    datasets = (
        replace(
            dataset_view(catalogue.dataset(name), measured[name], examples(name)),
            overlap=overlap_statements(name, setting.backbone),
        )
        for name in board.datasets
    )
    standings = rank_entries(board, runs)
    return view_of(
        BoardView,
        setting,
        anchor=anchor,
        shots=None if setting.shots == ALL_SHOTS else setting.shots,
        source=setting.source or None,
        seeds=board.seeds,
        measures=board.measures,
        h_convention=board.convention.value if H in board.measures else None,
        n_runs=len({run_id for entry in board.entries for run_id in entry.run_ids}),
        baseline=board.baseline,
        entries=entries,
        datasets=tuple(datasets),
        cells={(entry.key, dataset): _cell(entry, dataset) for entry in board.entries for dataset in board.datasets},
        missing=board.missing,
        standings=standings,
        exports=_exports(board, runs, standings.ranks),
        part_trends=board_trends(board, measured, {entry.key: entry.name for entry in entries}, groups),
        excluded=board.excluded,
        quality=() if metrics is None else quality(board, metrics),
        agreement=() if metrics is None else agreement(board, metrics, generator=np.random.default_rng(SEED)),
        costs=cost_views(board, runs),
        selection=selection_views(board, selection_differences(board, runs), catalogue),
        selection_command=selection_command(board),
        anytime=None if curves is None else anytime_view(board, runs, curves),
    )


def _exports(board: Leaderboard, runs: pd.DataFrame, ranks: Mapping[str, str]) -> dict[str, str]:
    """The table as `etl-bench export` writes it."""
    table = export_table(board, runs, ranks)
    return {"CSV": to_csv(board.rows()), "LaTeX": to_latex(table), "Markdown": to_markdown(table)}


def _entry(entry: Entry, board: Leaderboard, catalogue: Catalogue) -> EntryView:
    facts = catalogue.method(entry.method)
    averages = {measure: entry.average(measure, board.convention) for measure in board.measures}
    other = next(convention for convention in HConvention if convention is not board.convention)
    other_h = entry.average(H, other)
    recipe = [("recipe", entry.recipe_name)] if entry.recipe_name else []
    return view_of(
        EntryView,
        entry,
        title=facts.title,
        family=facts.family,
        summary=facts.summary,
        citation=facts.citation,
        values={measure: estimate for measure, estimate in averages.items() if estimate},
        other_h=other_h,
        details=(*_settings("config.", entry.config), *recipe, *_settings("recipe.", entry.recipe or {})),
    )


def _settings(prefix: str, values: Mapping[str, object]) -> list[tuple[str, str]]:
    return [(prefix + k, v if isinstance(v, str) else json.dumps(v)) for k, v in sorted(values.items())]


def _cell(entry: Entry, dataset: str) -> CellView:
    expected = sum(cell.dataset == dataset for cell in entry.missing)
    return entry.cells.get(dataset) or CellView(dataset, {}, 0, expected, ())
