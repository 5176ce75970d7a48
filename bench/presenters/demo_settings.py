"""Detects boards of demo runs, and finds their numbers of images."""

import pandas as pd

from bench._util.shots import ALL_SHOTS
from bench.analysis.leaderboard import Leaderboard
from bench.record import OPEN_BASE, OPEN_NEW
from bench.spec import DEMO_RECIPE
from reports.views import DemoSettingsView

SYNTHETIC = "spectrum_"
"""Prefix of the names of synthetic datasets."""


def demo_settings(board: Leaderboard, runs: pd.DataFrame) -> DemoSettingsView | None:
    """The size of a demo; None if a method of the board trained with another recipe, or none trained.

    `runs` has a row for each run and split, with the number of test images `n`.
    """
    if {entry.recipe_name for entry in board.entries} - {None} != {DEMO_RECIPE}:
        return None
    ids = {run_id for entry in board.entries for run_id in entry.run_ids}
    again = runs["split"].isin([OPEN_BASE, OPEN_NEW])  # the images of base and new, among more names
    tested = runs[runs["run_id"].isin(ids) & ~again].drop_duplicates(["dataset", "split"])
    synthetic = all(name.startswith(SYNTHETIC) for name in board.datasets)
    shots = None if board.setting.shots == ALL_SHOTS else board.setting.shots
    return DemoSettingsView(shots, int(tested["n"].sum()), synthetic)
