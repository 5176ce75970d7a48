"""Stored runs with known true accuracies, from one builder; worlds of the same arguments are made once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from worlds import make_world

from bench.analysis import Leaderboard, board_settings, build_leaderboard
from bench.results import Store, fresh_store


class World:
    """A folder of runs, which no test may change, and what is read from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def store(self) -> Store:
        return fresh_store(self.folder)

    @cached_property
    def runs(self) -> pd.DataFrame:
        return self.store.runs_frame(outcomes=True)

    @cached_property
    def outcomes(self) -> pd.DataFrame:
        return self.store.outcomes_frame()

    @cached_property
    def board(self) -> Leaderboard:
        return self.board_of(self.runs)

    @staticmethod
    def board_of(runs: pd.DataFrame) -> Leaderboard:
        """The first leaderboard of some runs."""
        return build_leaderboard(runs, board_settings(runs)[0])


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., World]:
    """Make a world from parts: the true accuracy of each method, or its accuracies by dataset and split.

    A part may be a pair with arguments of its own, `datasets` and those of `make_world`; others are of all parts.
    """
    known: dict[str, World] = {}

    def world(*parts: Any, **shared: Any) -> World:
        asked = repr((parts, shared))
        if asked not in known:
            folder = tmp_path_factory.mktemp("world")
            for part in parts:
                rates, own = part if isinstance(part, tuple) else (part, {})
                options = {"datasets": "abc"} | shared | own
                everywhere = options.pop("datasets")
                accuracies = {
                    method: rate if isinstance(rate, dict) else {d: {"base": rate, "new": rate} for d in everywhere}
                    for method, rate in rates.items()
                }
                make_world(folder, accuracies, **options)
            known[asked] = World(folder)
        return known[asked]

    return world
