"""Accuracy over training time of the entries of a board, as views."""

import pandas as pd

from bench.analysis.leaderboard import Leaderboard
from bench.analysis.learning_curves import CONVERGENCE_MARGIN, entries_without_curve, learning_curves
from reports.views import AnytimeView


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
