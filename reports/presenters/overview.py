"""The first screen of one setting, from a leaderboard of runs or from a board of published numbers."""

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from bench.analysis import (
    H,
    HConvention,
    Leaderboard,
    ScoreTable,
    Verdict,
    best_method,
    board_table,
    board_verdicts,
    dataset_difficulty,
)
from bench.papers import UNKNOWN_INPUTS, Catalogue, PublishedRow, short_titles
from bench.spec import DEMO_RECIPE, OPEN_BASE, OPEN_NEW, shots_text
from reports.titles import DIFFICULTY_AXES, DifficultyAxis
from reports.views import DemoSettings, OverviewView, PublishedBoardView

SYNTHETIC = "spectrum_"
"""Prefix of the names of synthetic datasets."""


def demo_settings(board: Leaderboard, runs: pd.DataFrame) -> DemoSettings | None:
    """The size of a demo; None if a method of the board trained with another recipe, or none trained or was tested.

    `runs` has a row for each run and split, with the number of test images `n`.
    """
    if {entry.recipe_name for entry in board.entries} - {None} != {DEMO_RECIPE}:
        return None
    ids = {run_id for entry in board.entries for run_id in entry.run_ids}
    again = runs["split"].isin([OPEN_BASE, OPEN_NEW])  # the images of base and new, among more names
    tested = runs[runs["run_id"].isin(ids) & ~again].dropna(subset="n").drop_duplicates(["dataset", "split"])
    if tested.empty:
        return None
    synthetic = all(name.startswith(SYNTHETIC) for name in board.datasets)
    return DemoSettings(board.setting.shots, int(tested["n"].sum()), synthetic)


def board_overview(
    board: Leaderboard,
    runs: pd.DataFrame,
    difficulty: pd.DataFrame,
    catalogue: Catalogue,
    *,
    anchor: str = "answer",
    verdicts: Mapping[str, Verdict] | None = None,
) -> OverviewView:
    """The first screen of a leaderboard made from `runs`.

    Args:
        runs, difficulty: the store's `runs_frame()` and `difficulty_frame()`.
        verdicts: the `board_verdicts` of the board, if known.
    """
    verdicts = board_verdicts(board) if verdicts is None else verdicts
    measured = dataset_difficulty.measured_datasets(difficulty, board.setting.backbone)
    table = board_table(board, measured)
    short = short_titles([catalogue.dataset(name).title for name in board.datasets])
    titles = dict(zip(board.datasets, short, strict=True))
    return OverviewView(
        anchor=anchor,
        setting=board.setting.protocol if board.setting.source else board.setting.protocol_text,
        backbone=board.setting.backbone,
        board=board,
        catalogue=catalogue,
        table=table,
        answers={measure: best_method.answer_for(table, measure, verdicts[measure]) for measure in board.measures},
        names={entry.key: catalogue.entry_title(entry.method, entry.label) for entry in board.entries},
        uses={entry.key: catalogue.uses(entry) for entry in board.entries},
        families={entry.key: catalogue.method(entry.method).family for entry in board.entries},
        datasets=tuple(
            replace(catalogue.dataset(name), title=titles[name], n_classes=measured[name].n_classes)
            for name in table.datasets
        ),
        axes=_axes(table),
        convention=board.convention if H in board.measures else None,
        demo=demo_settings(board, runs),
    )


def published_overview(view: PublishedBoardView) -> OverviewView:
    """The first screen of a board of published numbers, with one row per title."""
    board, catalogue, table = view.board, view.catalogue, view.board.table
    rows, chance = board.one_per_title, board.difficulty["chance"]
    classes = {name: dict.fromkeys(("base", "new", "all"), round(1 / value)) for name, value in chance.items()}
    return OverviewView(
        anchor=view.anchor,
        setting=f"{board.protocol}, {shots_text(board.shots)}",
        backbone=board.backbone,
        board=None,
        catalogue=catalogue,
        table=table,
        answers={measure: best_method.answer_for(table, measure) for measure in board.measures},
        names={row.key: _marked(row, catalogue) for row in rows},
        uses={row.key: _uses(row) for row in rows},
        families={row.key: catalogue.family(row.method) for row in rows},
        datasets=tuple(replace(facts, n_classes=classes.get(facts.name, {})) for facts in view.datasets),
        axes=_axes(table),
        convention=HConvention.H_OF_MEANS if H in board.measures else None,
    )


def _marked(row: PublishedRow, catalogue: Catalogue) -> str:
    """The title of a row, with what its method sees besides the labelled images."""
    title = catalogue.row_title(row.method, row.label)
    return f"{title} [{', '.join(uses)}]" if (uses := _uses(row)) else title


def _uses(row: PublishedRow) -> tuple[str, ...]:
    return (UNKNOWN_INPUTS,) if row.uses is None else tuple(row.uses)


def _axes(table: ScoreTable) -> tuple[DifficultyAxis, ...]:
    """The axes on which some dataset has a value."""
    used = {axis for by_axis in table.difficulty.values() for axis, values in by_axis.items() if values}
    return tuple(axis for axis in DIFFICULTY_AXES if axis.name in used)
