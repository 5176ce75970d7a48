"""Who did how well, on what evidence: runs in, one leaderboard per setting out. Pure; nothing is averaged silently."""

from bench.leaderboard._board import Cell, CostSummary, Entry, Leaderboard, MissingCell, SetAside, Setting
from bench.leaderboard._make import leaderboard
from bench.leaderboard._measures import (
    ALL,
    BASELINE,
    TRANSFER,
    H,
    HConvention,
    averages_over_datasets,
    harmonic_mean,
)
from bench.leaderboard._settings import settings

__all__ = [
    "ALL",
    "BASELINE",
    "TRANSFER",
    "Cell",
    "CostSummary",
    "Entry",
    "H",
    "HConvention",
    "Leaderboard",
    "MissingCell",
    "SetAside",
    "Setting",
    "averages_over_datasets",
    "harmonic_mean",
    "leaderboard",
    "settings",
]
