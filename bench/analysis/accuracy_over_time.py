"""Accuracy over training time: the scores of a board's entries if every run stopped earlier. Pure.

Runs of one entry may differ in length, so they are aligned by the share of their epochs: a run's accuracy at a share is
that of its last recorded epoch up to that share. Averages are computed as on the board, so a curve ends at the entry's
average unless an epoch or candidate was selected afterwards.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.analysis.leaderboard import MIXED, Entry, H, Leaderboard, averages_over_datasets


@dataclass(frozen=True)
class AnytimePoint:
    """An entry after a share of its training, averaged over its runs.

    Args:
        share: of the epochs, in (0, 1].
        seconds: preparation and training up to this point, with the shared features.
        steps: of the optimiser.
        value: the measure that orders the board, averaged as on the board.
    """

    share: float
    seconds: float
    steps: float
    value: float


@dataclass(frozen=True)
class AnytimeCurve:
    """The curve of one entry, by increasing share, over all its counted runs.

    `converged_at` is the first point from which the curve stays near its final value.
    """

    entry: str
    points: tuple[AnytimePoint, ...]
    converged_at: AnytimePoint
    run_ids: tuple[str, ...]


CONVERGENCE_MARGIN = 0.01
"""A curve has converged when it stays at most this far (a fraction) below its end."""


@dataclass(frozen=True)
class AccuracyOverTime:
    """The curves of a board.

    Args:
        without: keys of trained entries with runs that lack a curve.
        baseline: mean of the untrained model in the measure that orders the board, None without a complete zero-shot
            entry.
    """

    curves: tuple[AnytimeCurve, ...]
    without: tuple[str, ...]
    baseline: float | None


@dataclass(frozen=True)
class _RunCurve:
    """One run's curve, ordered by share."""

    shares: tuple[float, ...]
    seconds: tuple[float, ...]
    steps: tuple[int, ...]
    accuracy: Mapping[str, tuple[float, ...]]

    def index(self, share: float) -> int:
        """The last recorded epoch up to that share."""
        return bisect_right(self.shares, share) - 1


def accuracy_over_time_of(board: Leaderboard, runs: pd.DataFrame, curves: pd.DataFrame) -> AccuracyOverTime | None:
    """The curves of a board, from the store's `runs_frame()` and `curves_frame()`; None if no entry trains.

    Runs whose shared features have an unknown cost are left out, since their time is unknown.
    """
    runs = runs.dropna(subset=["shared_prepare_seconds", "shared_train_seconds"])
    found = learning_curves(board, runs, curves)
    without = entries_without_curve(board, found, runs)
    if not found and not without:
        return None
    zero_shot = next((entry for entry in board.entries if entry.key == board.baseline and entry.complete), None)
    level = None if zero_shot is None else zero_shot.average(board.measures[-1], board.convention)
    return AccuracyOverTime(found, without, None if level is None else level.mean)


def learning_curves(board: Leaderboard, runs: pd.DataFrame, curves: pd.DataFrame) -> tuple[AnytimeCurve, ...]:
    """The curves of all complete entries whose runs all recorded a curve, in the order of the board.

    Entries with runs on different devices have none, since their times are not averaged.
    """
    prepared = runs["prepare_seconds"] + runs["shared_prepare_seconds"]
    prepare_seconds = dict(zip(runs["run_id"].tolist(), prepared.tolist(), strict=True))
    counted = {run_id for entry in board.entries for run_id in entry.run_ids if run_id in prepare_seconds}
    recorded = {
        str(run_id): _run_curve(rows, float(prepare_seconds[run_id]))
        for run_id, rows in curves[curves["run_id"].isin(counted)].groupby("run_id")
    }
    return tuple(
        _curve(board, entry, recorded)
        for entry in board.entries
        if entry.complete
        and entry.cells
        and (entry.cost is None or entry.cost.device != MIXED)
        and all(run_id in recorded for run_id in entry.run_ids)
    )


def _run_curve(rows: pd.DataFrame, prepare_seconds: float) -> _RunCurve:
    by_split = {str(split): part.sort_values("epoch") for split, part in rows.groupby("split")}
    first = next(iter(by_split.values()))
    return _RunCurve(
        shares=tuple((first["epoch"] / first["epochs"]).tolist()),
        seconds=tuple((first["seconds"] + prepare_seconds).tolist()),
        steps=tuple(first["steps"].tolist()),
        accuracy={split: tuple(part["accuracy"].tolist()) for split, part in by_split.items()},
    )


def _curve(board: Leaderboard, entry: Entry, recorded: Mapping[str, _RunCurve]) -> AnytimeCurve:
    curves = [recorded[run_id] for run_id in entry.run_ids]
    start = max(curve.shares[0] for curve in curves)  # before this share, some run has no recorded epoch
    shares = sorted({share for curve in curves for share in curve.shares if share >= start})
    points = tuple(
        AnytimePoint(
            share,
            float(np.mean([curve.seconds[curve.index(share)] for curve in curves])),
            float(np.mean([curve.steps[curve.index(share)] for curve in curves])),
            _average(board, entry, recorded, share),
        )
        for share in shares
    )
    return AnytimeCurve(entry.key, points, convergence(points), entry.run_ids)


def convergence(points: Sequence[AnytimePoint]) -> AnytimePoint:
    """The first point after which the curve stays above its end minus `CONVERGENCE_MARGIN`."""
    below = [i for i, point in enumerate(points) if point.value < points[-1].value - CONVERGENCE_MARGIN]
    return points[below[-1] + 1 if below else 0]


def _average(board: Leaderboard, entry: Entry, recorded: Mapping[str, _RunCurve], share: float) -> float:
    """The measure that the board is ordered by, averaged over seeds and then over datasets as on the board."""
    measure = board.measures[-1]

    def by_seed(dataset: str, split: str) -> list[float]:
        curves = [recorded[run_id] for run_id in entry.cells[dataset].run_ids]
        stored = board.stored_split(split, dataset)
        return [curve.accuracy[stored][curve.index(share)] for curve in curves]

    means = averages_over_datasets(
        {split: [by_seed(dataset, split) for dataset in board.averaged] for split in board.splits}
    )
    return means[board.convention.value if measure == H else measure]


def entries_without_curve(board: Leaderboard, curves: Sequence[AnytimeCurve], runs: pd.DataFrame) -> tuple[str, ...]:
    """Keys of the trained entries without a curve, in the order of the board."""
    shown = {curve.entry for curve in curves}
    trained = set(runs.loc[runs["steps"] > 0, "run_id"].tolist())
    return tuple(
        entry.key for entry in board.entries if entry.key not in shown and any(r in trained for r in entry.run_ids)
    )
