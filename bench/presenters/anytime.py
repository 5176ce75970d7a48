"""Accuracy over training time of a board's entries, as views."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.analysis.leaderboard import Leaderboard
from bench.analysis.learning_curves import CONVERGENCE_MARGIN, entries_without_curve, learning_curves
from reports.views import AnytimeCurveView, AnytimePointView, AnytimeView

if TYPE_CHECKING:
    import pandas as pd


def anytime_view(board: Leaderboard, runs: pd.DataFrame, curves: pd.DataFrame) -> AnytimeView | None:
    """The curves of a board; None if no entry trains.

    Args:
        board: made from the same runs.
        runs: the store's `runs_frame()`.
        curves: the store's `curves_frame()`.
    """
    found = learning_curves(board, runs, curves)
    without = entries_without_curve(board, found, runs)
    if not found and not without:
        return None
    start = next((entry for entry in board.entries if entry.key == board.baseline and entry.complete), None)
    level = None if start is None else start.average(board.measures[-1], board.convention)
    return AnytimeView(
        curves=tuple(
            AnytimeCurveView(
                curve.entry,
                tuple(AnytimePointView(**vars(point)) for point in curve.points),
                AnytimePointView(**vars(curve.converged_at)),
                curve.run_ids,
            )
            for curve in found
        ),
        without=without,
        baseline=None if level is None else level.mean,
        margin=CONVERGENCE_MARGIN,
    )
