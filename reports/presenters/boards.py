"""One board with its sections, and the provenance of runs."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from bench.analysis import (
    Leaderboard,
    board_verdicts,
    calibration,
    cost_points,
    dataset_difficulty,
    leaderboard_table,
    seen_datasets,
)
from bench.papers import DatasetFacts, overlap_statements
from bench.results import changed_recipe, published_values
from reports._format import brief
from reports.presenters.content import PageContent
from reports.titles import DIFFICULTY_TITLES
from reports.views import BoardView

MOST_VALUES = 20
"""Different values of a fact about the origin of runs that the page lists."""


def board_view(
    board: Leaderboard,
    content: PageContent,
    *,
    anchor: str,
    calibrated: calibration.CalibrationByRun,
) -> BoardView:
    """One leaderboard with its sections; `anchor` is unique on the page, and `board` was computed from its runs.

    `calibrated` is that of all runs.
    """
    setting = board.setting
    measured = dataset_difficulty.measured_datasets(content.difficulty, setting.backbone)
    verdicts = board_verdicts(board)
    table = leaderboard_table(board, verdicts, content.catalogue.board_titles(board))
    return BoardView(
        anchor=anchor,
        board=board,
        catalogue=content.catalogue,
        datasets=tuple(
            replace(
                measured_facts(content.catalogue.dataset(name), measured[name], content.examples(name)),
                overlap=overlap_statements(name, setting.backbone),
                seen=seen_datasets.published_overlap(name, setting.backbone),
            )
            for name in board.datasets
        ),
        verdicts=verdicts,
        exports={"CSV": table.csv(), "LaTeX": table.latex(), "Markdown": table.markdown()},  # as `etl-bench export`
        costs=cost_points(board),
        calibration=calibration.board_calibration(board, calibrated),
        differing=_differing(board),
    )


def _differing(board: Leaderboard) -> Mapping[str, frozenset[str]]:
    """The names of the settings of each entry that are not the published ones; only for installed methods."""
    by_entry = {}
    for entry in board.entries:
        published = published_values(entry.method, board.setting.protocol)
        if published is None:
            continue
        dataset = board.setting.source or next(
            (name for name in board.datasets if board.array.has(entry.key, name)), ""
        )
        recipe = changed_recipe(entry.method, board.setting.protocol, board.setting.shots, dataset, entry.recipe)
        config = [f"config.{name}" for name, value in entry.config.items() if published.get(name) != value]
        by_entry[entry.key] = frozenset([*config, *recipe])
    return by_entry


def measured_facts(
    facts: DatasetFacts, measured: dataset_difficulty.Measured, examples: tuple[tuple[str, str], ...]
) -> DatasetFacts:
    """A dataset with its difficulty; measures without a title come last, under their own name."""
    names = {measure for measure, _ in measured.values}
    order = [*(name for name in DIFFICULTY_TITLES if name in names), *sorted(names - DIFFICULTY_TITLES.keys())]
    measures = {DIFFICULTY_TITLES.get(name, name): measured.by_split(name) for name in order}
    return replace(facts, n_classes=dict(measured.n_classes), measures=measures, examples=examples)


def minute(moment: Any) -> str:
    """A time to the minute."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def provenance(made: pd.DataFrame) -> tuple[tuple[str, str], ...]:
    """Facts about the origin of the runs in the store's `provenance_frame()`: every distinct value.

    If there are several, each has its number of runs; long lists are cut.
    """
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
    counts: dict[str, Counter[str]] = {title: Counter() for title in columns}
    for text in made["provenance"]:
        record = json.loads(text)
        for title, read in columns.items():
            if (value := read(record)) is not None:
                counts[title][brief(str(value))] += 1
    facts = []
    for title, values in counts.items():
        texts = list(values)
        if len(values) > 1:
            texts = [f"{value} ({n} run{'s' if n != 1 else ''})" for value, n in sorted(values.items())]
        if len(texts) > MOST_VALUES:
            texts = [*texts[:MOST_VALUES], f"and {len(texts) - MOST_VALUES} more"]
        if values:
            facts.append((title, "; ".join(texts)))
    return tuple(facts)


def _source(record: Mapping[str, Any]) -> str | None:
    commit = record.get("git_commit")
    if not commit:
        return None
    return f"{str(commit)[:10]}{' with uncommitted changes' if record.get('git_dirty') else ''}"
