"""Who did how well, on what evidence: runs in, one leaderboard per setting out. Pure; nothing is averaged silently."""

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
