"""Ranks the entries of one board: significant differences and ranges of ranks. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import pandas as pd

from bench.analysis.all_pairs import board_averages
from bench.analysis.leaderboard import Leaderboard
from bench.analysis.noise import Noise, noise_of
from bench.analysis.paired_average import over_datasets
from bench.analysis.scores_by_seed import seed_scores
from bench.analysis.statistics.hypothesis_tests import LEVEL, holm, rank_ranges
from bench.analysis.statistics.intervals import MeanTest
from bench.analysis.statistics.power import detectable_difference


@dataclass(frozen=True)
class PairDifference:
    """A mean difference, a fraction, with its 95 % interval; `p` is corrected for all pairs of the board.

    `low`, `high` and `p` are None if the variation between seeds is unknown.
    """

    mean: float
    low: float | None
    high: float | None
    p: float | None
    significant: bool


@dataclass(frozen=True)
class Standings:
    """The order of the complete entries of a board by one measure.

    Args:
        leader: the entry with the highest mean, None without complete entries.
        ranks: range of ranks by entry, such as `2–4`.
        pairs: first minus second, by (entry, entry).
        detectable: smallest difference from the leader with 80 % power, by entry.
        noise: where the noise of the difference from the leader comes from, by entry.
        notes: limits of the comparison, and how to remove them.
    """

    measure: str
    leader: str | None
    ranks: Mapping[str, str]
    pairs: Mapping[tuple[str, str], PairDifference]
    detectable: Mapping[str, float]
    noise: Mapping[str, Noise]
    notes: tuple[str, ...]

    @property
    def tied(self) -> tuple[str, ...]:
        """Entries that are not significantly lower than the leader."""
        return tuple(name for name in self.ranks if name != self.leader and not self.below_leader(name))

    def below_leader(self, entry: str) -> bool:
        """Whether the entry is significantly lower than the leader."""
        found = self.pairs.get((self.leader or "", entry))
        return found is not None and found.significant


def rank_entries(board: Leaderboard, runs: pd.DataFrame) -> Standings:
    """Test all pairs of rankable entries over datasets, seeds and test images, with Holm's adjustment over the board.

    `runs` is the store's `runs_frame(outcomes=True)`. With one seed or one dataset no difference is significant.
    """
    measure = board.measures[-1]
    names = [entry.key for entry in board.entries if entry.rankable and entry.cells]
    scores = seed_scores(board, runs)
    tests = board_averages(board, scores, combinations(names, 2), measure)
    pairs = _differences(tests)
    ranks = rank_ranges(names, {pair: found.significant and found.mean > 0 for pair, found in pairs.items()})
    strictest = LEVEL / max(1, len(tests))
    detectable, noise = {}, {}
    for name in names[1:]:
        test = tests.get((names[0], name))
        if test is None:
            continue
        if (parts := noise_of(test, over_datasets(board, scores, names[0], name, measure))) is not None:
            noise[name] = parts
        if (smallest := detectable_difference(test, level=strictest)) is not None:
            detectable[name] = smallest
    return Standings(
        measure=measure,
        leader=ranks[0].name if ranks else None,
        ranks={held.name: str(held) for held in ranks},
        pairs=pairs,
        detectable=detectable,
        noise=noise,
        notes=_notes(board, len(names), pairs),
    )


def _differences(tests: Mapping[tuple[str, str], MeanTest]) -> dict[tuple[str, str], PairDifference]:
    """Every tested difference in both directions, with adjusted p values."""
    adjusted = iter(holm([test.p for test in tests.values() if test.p is not None]).tolist())
    found = {}
    for (a, b), test in tests.items():
        p = None if test.p is None else next(adjusted)
        for pair, turned in (((a, b), test), ((b, a), test.negated())):
            found[pair] = PairDifference(turned.mean, turned.low, turned.high, p, p is not None and p <= LEVEL)
    return found


def _notes(
    board: Leaderboard,
    complete: int,
    pairs: Mapping[tuple[str, str], PairDifference],
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
    if short := len(board.entries) - complete:
        notes.append(f"{short} of {len(board.entries)} methods have missing runs and are not ranked.")
    return tuple(notes)
