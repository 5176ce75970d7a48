"""One board as a view: entries, cells, selection rules, learning curves and provenance."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis import (
    CONVERGENCE_MARGIN,
    RULES,
    Cell,
    Entry,
    Grouping,
    H,
    HConvention,
    Leaderboard,
    MeanTest,
    RuleDifference,
    agreement,
    board_quality,
    difficulty_groups,
    entries_without_curve,
    export_table,
    learning_curves,
    other_settings,
    rank_entries,
    selection_command,
    selection_differences,
    to_csv,
    to_latex,
    to_markdown,
)
from bench.papers import Catalogue, ExampleImage, overlap_statements
from bench.spec import ALL_SHOTS
from reports.presenters.costs import SEED, cost_views
from reports.presenters.trends import board_trends, dataset_view, measured_datasets
from reports.presenters.values import view_of
from reports.views import AnytimeView, BoardView, EntryView, RuleCostView, SelectionRuleView


def anytime_view(board: Leaderboard, runs: pd.DataFrame, curves: pd.DataFrame) -> AnytimeView | None:
    """The curves of a board, from the store's `runs_frame()` and `curves_frame()`; None if no entry trains."""
    found = learning_curves(board, runs, curves)
    without = entries_without_curve(board, found, runs)
    if not found and not without:
        return None
    zero_shot = next((entry for entry in board.entries if entry.key == board.baseline and entry.complete), None)
    level = None if zero_shot is None else zero_shot.average(board.measures[-1], board.convention)
    return AnytimeView(
        curves=found,
        without=without,
        baseline=None if level is None else level.mean,
        margin=CONVERGENCE_MARGIN,
    )


def selection_views(
    board: Leaderboard, differences: Sequence[RuleDifference], catalogue: Catalogue
) -> tuple[SelectionRuleView, ...]:
    """Every rule with pairs, with its costs."""
    return tuple(
        SelectionRuleView(
            rule=found.rule,
            title=f"{'Oracle: ' if found.is_oracle else ''}{RULES[found.rule]}".capitalize(),
            oracle=found.is_oracle,
            costs=_costs(found.tests),
            by_method={_name(board.entry(key), catalogue): _costs(tests) for key, tests in found.by_method.items()},
        )
        for found in differences
    )


def _name(entry: Entry, catalogue: Catalogue) -> str:
    title, settings = catalogue.method(entry.method).title, other_settings(entry)
    return f"{title} ({settings})" if settings else title


def _costs(tests: Mapping[str, MeanTest]) -> dict[str, RuleCostView]:
    return {measure: view_of(RuleCostView, test) for measure, test in tests.items()}


def board_view(
    board: Leaderboard,
    runs: pd.DataFrame,
    difficulty: pd.DataFrame,
    catalogue: Catalogue,
    *,
    anchor: str,
    examples: Callable[[str], tuple[ExampleImage, ...]] = lambda _: (),
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
        quality=() if metrics is None else board_quality(board, metrics),
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


def _cell(entry: Entry, dataset: str) -> Cell:
    expected = sum(cell.dataset == dataset for cell in entry.missing)
    return entry.cells.get(dataset) or Cell(dataset, {}, 0, expected, ())


def minute(moment: Any) -> str:
    """A time to the minute."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def provenance(made: pd.DataFrame) -> tuple[tuple[str, str], ...]:
    """Facts about the origin of the runs in the store's `provenance_frame()`: every distinct value.

    If there are several, each has its number of runs.
    """
    records = [json.loads(text) for text in made["provenance"]]
    columns: dict[str, Callable[[Mapping[str, Any]], object]] = {
        "Package version of the runs": lambda r: r.get("package_version"),
        "Source": _source,
        "Python": lambda r: r.get("python"),
        "PyTorch": lambda r: (r.get("packages") or {}).get("torch"),
        "open_clip": lambda r: (r.get("packages") or {}).get("open_clip_torch"),
        "Device": lambda r: r.get("device"),
        "Platform": lambda r: r.get("platform"),
        "Backbone weights": lambda r: (r.get("backbone_digest") or "")[:16] or None,
    }
    facts = []
    for title, read in columns.items():
        values = Counter(str(value) for record in records if (value := read(record)) is not None)
        texts = (
            [f"{value} ({n} run{'s' if n != 1 else ''})" for value, n in sorted(values.items())]
            if len(values) > 1
            else values
        )
        if values:
            facts.append((title, "; ".join(texts)))
    return tuple(facts)


def _source(record: Mapping[str, Any]) -> str | None:
    commit = record.get("git_commit")
    if not commit:
        return None
    return f"{str(commit)[:10]}{' with uncommitted changes' if record.get('git_dirty') else ''}"
