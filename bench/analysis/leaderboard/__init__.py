"""Leaderboards from runs, one per setting. Pure.

`settings(runs)` lists the settings that have a leaderboard, and `leaderboard(runs, setting)` makes one. Incomplete rows
are marked: no average silently leaves out a missing run.
"""

from bench.analysis.leaderboard.board import Cell, CostSummary, Entry, ExcludedRun, Leaderboard, MissingCell, Setting
from bench.analysis.leaderboard.build import leaderboard
from bench.analysis.leaderboard.measures import (
    ALL,
    BASELINE,
    TRANSFER,
    H,
    HConvention,
    averages_over_datasets,
)
from bench.analysis.leaderboard.settings import settings

__all__ = [
    "ALL",
    "BASELINE",
    "TRANSFER",
    "Cell",
    "CostSummary",
    "Entry",
    "ExcludedRun",
    "H",
    "HConvention",
    "Leaderboard",
    "MissingCell",
    "Setting",
    "averages_over_datasets",
    "leaderboard",
    "settings",
]
