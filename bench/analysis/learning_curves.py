"""Accuracy over training time: what a board's entries would score, had every run stopped at some share of its training.

Runs of one entry differ in length, so they are set side by side by the share of their epochs: a run's accuracy at a
share is that of its last recorded epoch up to there. Averages are formed as on the board, so that a curve ends in the
entry's own average unless an epoch or candidate was chosen afterwards. Pure.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.analysis.leaderboard import Entry, H, Leaderboard, averages_over_datasets

if TYPE_CHECKING:
    import pandas as pd

CONVERGENCE_MARGIN = 0.01
"""How far below its end a curve counts as having arrived, as a fraction of 1."""


@dataclass(frozen=True)
class LearningCurvePoint:
    """Where an entry's runs are, on average, at one share of their training.

    Args:
        share: of the epochs, in (0, 1].
        seconds: of preparation and training up to there, mean over runs.
        steps: optimiser steps up to there, mean over runs.
        value: the board's shown measure, averaged as on the board.
    """

    share: float
    seconds: float
    steps: float
    value: float


@dataclass(frozen=True)
class LearningCurve:
    """The points of one entry, by rising share; `run_ids` are all its counted runs."""

    entry: str
    points: tuple[LearningCurvePoint, ...]
    run_ids: tuple[str, ...]

    @property
    def converged_at(self) -> LearningCurvePoint:
        """The first point from which on the curve stays within `CONVERGENCE_MARGIN` below its end, or above it."""
        end = self.points[-1].value
        late = [i for i, point in enumerate(self.points) if point.value < end - CONVERGENCE_MARGIN]
        return self.points[late[-1] + 1 if late else 0]


@dataclass(frozen=True)
class _Recorded:
    """One run's curve by rising share."""

    shares: tuple[float, ...]
    seconds: tuple[float, ...]
    steps: tuple[int, ...]
    accuracy: Mapping[str, tuple[float, ...]]


def learning_curves(board: Leaderboard, runs: pd.DataFrame, curves: pd.DataFrame) -> tuple[LearningCurve, ...]:
    """The curves of those complete entries of which every run has recorded one, in the order of the board.

    Args:
        board: made from the same runs.
        runs: the store's `runs_frame()`.
        curves: the store's `curves_frame()`.
    """
    prepared = dict(zip(runs["run_id"], runs["prepare_seconds"], strict=True))
    recorded = {
        str(run_id): _recorded(rows, float(prepared[run_id]))
        for run_id, rows in curves[curves["run_id"].isin(runs["run_id"])].groupby("run_id")
    }
    found = []
    for entry in board.entries:
        if entry.complete and entry.cells and all(run_id in recorded for run_id in entry.run_ids):
            found.append(LearningCurve(entry.key, _points(board, entry, recorded), entry.run_ids))
    return tuple(found)


def _recorded(rows: pd.DataFrame, prepare_seconds: float) -> _Recorded:
    by_split = {str(split): of.sort_values("epoch") for split, of in rows.groupby("split")}
    first = next(iter(by_split.values()))
    return _Recorded(
        shares=tuple((first["epoch"] / first["epochs"]).tolist()),
        seconds=tuple((first["seconds"] + prepare_seconds).tolist()),
        steps=tuple(first["steps"].tolist()),
        accuracy={split: tuple(of["accuracy"].tolist()) for split, of in by_split.items()},
    )


def _points(board: Leaderboard, entry: Entry, recorded: Mapping[str, _Recorded]) -> tuple[LearningCurvePoint, ...]:
    of = [recorded[run_id] for run_id in entry.run_ids]
    begin = max(run.shares[0] for run in of)  # before it some run has nothing to show
    shares = sorted({share for run in of for share in run.shares if share >= begin})
    return tuple(
        LearningCurvePoint(
            share,
            float(np.mean([run.seconds[_place(run, share)] for run in of])),
            float(np.mean([run.steps[_place(run, share)] for run in of])),
            _average(board, entry, recorded, share),
        )
        for share in shares
    )


def _place(run: _Recorded, share: float) -> int:
    return bisect_right(run.shares, share) - 1


def _average(board: Leaderboard, entry: Entry, recorded: Mapping[str, _Recorded], share: float) -> float:
    """The shown measure as `bench.analysis.leaderboard` averages it: over seeds, then over datasets."""
    shown = board.measures[-1]

    def seed_mean(dataset: str, split: str) -> float:
        of = [recorded[run_id] for run_id in entry.cells[dataset].run_ids]
        return float(np.mean([run.accuracy[board.stored_split(split, dataset)][_place(run, share)] for run in of]))

    means = averages_over_datasets(
        {split: [seed_mean(dataset, split) for dataset in board.averaged] for split in board.splits}
    )
    return means[board.convention.value if shown == H else shown]


def entries_without_curve(board: Leaderboard, found: Sequence[LearningCurve], runs: pd.DataFrame) -> tuple[str, ...]:
    """Entries that train and are not among the curves, in the order of the board."""
    shown = {curve.entry for curve in found}
    trained = set(runs.loc[runs["steps"] > 0, "run_id"])
    return tuple(
        entry.key for entry in board.entries if entry.key not in shown and any(r in trained for r in entry.run_ids)
    )
