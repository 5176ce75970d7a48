"""Ranking of the entries of one board: significant differences, ranges of ranks, and the seeds needed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.analysis.comparison import board_average, seed_scores
from bench.analysis.leaderboard import Leaderboard
from bench.statistics import (
    CriticalDifference,
    MeanTest,
    RankRange,
    Rating,
    critical_difference,
    detectable_difference,
    elo_ratings,
    grouped_seeds_needed,
    holm,
    rank_ranges,
    win_rates,
)

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.05
"""Family-wise level of the pairwise tests of a board."""
FEWEST_DATASETS = 3
"""Fewest datasets for average ranks and ratings."""

_RATINGS_SEED = 20240616


@dataclass(frozen=True)
class PairTest:
    """One entry against another, over the datasets of the board.

    Args:
        test: of the mean difference, first minus second; see `bench.analysis.comparison.paired_average`.
        p_holm: p value, adjusted over all pairs of the board; None with one seed.
    """

    test: MeanTest
    p_holm: float | None

    @property
    def significant(self) -> bool:
        """Whether the two differ significantly."""
        return self.p_holm is not None and self.p_holm <= LEVEL


@dataclass(frozen=True)
class DatasetRanks:
    """Ranks and ratings in which every dataset counts once; only rankable entries take part.

    Args:
        wins: `wins[i][j]` is the share of datasets on which entry `names[i]` beats `names[j]`, 0..1.
    """

    critical: CriticalDifference
    ratings: tuple[Rating, ...]
    names: tuple[str, ...]
    wins: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Ranking:
    """The entries of a board ranked by one measure.

    Args:
        ranks: for each rankable entry the ranks that it may hold, in the order of the board.
        pairs: by (entry, entry), in both directions.
        detectable: for each rankable entry the smallest difference from the leader that the test finds with power 0.8,
            at the level of the strictest of Holm's steps.
        seeds_needed: seeds needed to find its difference from the leader; None if it is significant already, or if the
            number cannot be computed.
        by_dataset: None with too few datasets or entries.
    """

    measure: str
    ranks: tuple[RankRange, ...]
    pairs: Mapping[tuple[str, str], PairTest]
    detectable: Mapping[str, float]
    seeds_needed: Mapping[str, int | None]
    by_dataset: DatasetRanks | None

    @property
    def leader(self) -> str | None:
        """The rankable entry with the highest mean, None without one."""
        return self.ranks[0].name if self.ranks else None


def rank_entries(board: Leaderboard, runs: pd.DataFrame, *, measure: str | None = None) -> Ranking:
    """Test all pairs of rankable entries over datasets and seeds, with Holm's adjustment over the board.

    With one seed no difference is significant. `measure` is base, new, H or all; by default the one that orders the
    board.
    """
    chosen = measure or board.measures[-1]
    names = [entry.key for entry in board.entries if entry.rankable and entry.cells]
    pairs = _pairs(board, runs, chosen, names)
    ranks = rank_ranges(names, {pair: found.significant and found.test.mean > 0 for pair, found in pairs.items()})
    strictest = LEVEL / max(1, len(pairs) // 2)
    detectable, needed = {}, {}
    for name in names[1:]:
        found = pairs.get((names[0], name))
        smallest = detectable_difference(found.test, level=strictest) if found else None
        if found and smallest is not None:
            detectable[name] = smallest
            needed[name] = None if found.significant else grouped_seeds_needed(found.test, level=strictest)
    return Ranking(chosen, tuple(ranks), pairs, detectable, needed, _by_dataset(board, chosen, names))


def _pairs(board: Leaderboard, runs: pd.DataFrame, measure: str, names: list[str]) -> dict[tuple[str, str], PairTest]:
    scores = seed_scores(board, runs)
    tests = {
        (a, b): test
        for i, a in enumerate(names)
        for b in names[i + 1 :]
        if (test := board_average(board, scores, a, b, measure)) is not None
    }
    adjusted = iter(holm([test.p for test in tests.values() if test.p is not None]).tolist())
    found = {}
    for (a, b), test in tests.items():
        p = None if test.p is None else next(adjusted)
        found[a, b], found[b, a] = PairTest(test, p), PairTest(test.negated(), p)
    return found


def _by_dataset(board: Leaderboard, measure: str, names: list[str]) -> DatasetRanks | None:
    if len(names) < 2 or len(board.averaged) < FEWEST_DATASETS:
        return None
    scores = np.array([[board.entry(n).cells[d].scores[measure].mean for n in names] for d in board.averaged])
    return DatasetRanks(
        critical=critical_difference(names, scores),
        ratings=tuple(elo_ratings(names, scores, generator=np.random.default_rng(_RATINGS_SEED))),
        names=tuple(names),
        wins=tuple(tuple(row) for row in win_rates(scores).tolist()),
    )
