"""Ranks the entries of one board: significant differences, ranges of ranks, and the seeds needed. Pure."""

from collections.abc import Mapping
from itertools import combinations, permutations

import numpy as np
import pandas as pd

from bench.analysis.leaderboard import Leaderboard
from bench.analysis.paired_average import board_average
from bench.analysis.seed_scores import seed_scores
from bench.analysis.statistics.hypothesis_tests import holm, rank_ranges
from bench.analysis.statistics.intervals import MeanTest
from bench.analysis.statistics.power import detectable_difference, grouped_seeds_needed
from bench.analysis.statistics.ranks import critical_difference
from bench.analysis.statistics.ratings import elo_ratings, win_rates
from reports.views import CriticalView, DifferenceView, RatingView, StandingsView

LEVEL = 0.05
"""Family-wise level of the pairwise tests of a board."""
FEWEST_DATASETS = 3
"""Fewest datasets for average ranks and ratings."""

_RATINGS_SEED = 20240616


def rank_entries(board: Leaderboard, runs: pd.DataFrame) -> StandingsView:
    """Test all pairs of rankable entries over datasets, seeds and test images, with Holm's adjustment over the board.

    `runs` is the store's `runs_frame(outcomes=True)`. With one seed or one dataset no difference is significant.
    """
    measure = board.measures[-1]
    names = [entry.key for entry in board.entries if entry.rankable and entry.cells]
    scores = seed_scores(board, runs)
    averages = {(a, b): board_average(board, scores, a, b, measure) for a, b in combinations(names, 2)}
    tests = {pair: test for pair, test in averages.items() if test is not None}
    pairs = _differences(tests)
    ranks = rank_ranges(names, {pair: found.significant and found.mean > 0 for pair, found in pairs.items()})
    strictest = LEVEL / max(1, len(tests))
    detectable, needed = {}, {}
    for name in names[1:]:
        test = tests.get((names[0], name))
        smallest = detectable_difference(test, level=strictest) if test else None
        if test and smallest is not None:
            detectable[name] = smallest
            significant = pairs[names[0], name].significant
            needed[name] = None if significant else grouped_seeds_needed(test, level=strictest)
    critical: CriticalView | None = None
    ratings: tuple[RatingView, ...] = ()
    wins: dict[tuple[str, str], float] = {}
    if len(names) > 1 and len(board.averaged) >= FEWEST_DATASETS:
        table = np.array([[board.entry(n).cells[d].scores[measure].mean for n in names] for d in board.averaged])
        critical = _critical(names, table)
        ratings = tuple(
            RatingView(found.name, found.elo, found.low, found.high, found.win_rate)
            for found in elo_ratings(names, table, generator=np.random.default_rng(_RATINGS_SEED))
        )
        rates = win_rates(table).tolist()
        wins = {(a, b): rates[i][j] for (i, a), (j, b) in permutations(enumerate(names), 2)}
    return StandingsView(
        measure=measure,
        leader=ranks[0].name if ranks else None,
        ranks={held.name: str(held) for held in ranks},
        pairs=pairs,
        detectable=detectable,
        seeds_needed=needed,
        critical=critical,
        ratings=ratings,
        wins=wins,
        notes=_notes(board, len(names), pairs, critical),
    )


def _differences(tests: Mapping[tuple[str, str], MeanTest]) -> dict[tuple[str, str], DifferenceView]:
    """Every tested difference in both directions, with adjusted p values."""
    adjusted = iter(holm([test.p for test in tests.values() if test.p is not None]).tolist())
    found = {}
    for (a, b), test in tests.items():
        p = None if test.p is None else next(adjusted)
        for pair, turned in (((a, b), test), ((b, a), test.negated())):
            found[pair] = DifferenceView(turned.mean, turned.low, turned.high, p, p is not None and p <= LEVEL)
    return found


def _critical(names: list[str], scores: np.ndarray) -> CriticalView:
    found = critical_difference(names, scores)
    return CriticalView(
        entries=found.names,
        ranks=found.ranks,
        n=found.n,
        difference=found.difference,
        cliques=found.cliques,
        p=found.friedman.p_f,
        low_power=found.low_power,
    )


def _notes(
    board: Leaderboard,
    complete: int,
    pairs: Mapping[tuple[str, str], DifferenceView],
    critical: CriticalView | None,
) -> tuple[str, ...]:
    notes = []
    if complete < 2:
        which = "No method has" if complete == 0 else "Only one method has"
        notes.append(f"{which} a score for every dataset and seed, so there is no comparison yet; run what is missing.")
    if complete > 1 and len(board.averaged) < 2:
        notes.append("With one dataset, no average is tested; `etl-bench compare` tests differences on that dataset.")
    elif complete > 1 and all(found.p is None for found in pairs.values()):
        notes.append(
            f"With {'one seed' if len(board.seeds) == 1 else 'these seeds'} the variation between seeds is unknown, so "
            "no difference can be tested; repeat with --seeds 3 or more."
        )
    if complete > 1 and critical is None:
        notes.append(
            f"Average ranks and ratings need {FEWEST_DATASETS} datasets; this leaderboard has {len(board.averaged)}."
        )
    if short := len(board.entries) - complete:
        notes.append(f"{short} of {len(board.entries)} methods have missing runs and are not ranked.")
    return tuple(notes)
