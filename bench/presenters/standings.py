"""The order of a board with its evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.analysis.leaderboard import Leaderboard
from bench.analysis.ranking import FEWEST_DATASETS, PairTest, Ranking, rank_entries
from reports.views import CriticalView, DifferenceView, RatingView, StandingsView

if TYPE_CHECKING:
    import pandas as pd


def standings_view(board: Leaderboard, runs: pd.DataFrame) -> StandingsView:
    """Tie groups, paired differences, ranks over datasets and ratings of one board.

    Args:
        board: made from the same runs.
        runs: the store's `runs_frame()`.
    """
    found = rank_entries(board, runs)
    ranks = found.by_dataset
    return StandingsView(
        measure=found.measure,
        leader=found.leader,
        ranks={held.name: str(held) for held in found.ranks},
        pairs={pair: _difference(test) for pair, test in found.pairs.items()},
        detectable=found.detectable,
        seeds_needed=found.seeds_needed,
        critical=None
        if ranks is None
        else CriticalView(
            entries=ranks.critical.names,
            ranks=ranks.critical.ranks,
            n=ranks.critical.n,
            difference=ranks.critical.difference,
            cliques=ranks.critical.cliques,
            p=ranks.critical.friedman.p_f,
            low_power=ranks.critical.low_power,
        ),
        ratings=()
        if ranks is None
        else tuple(RatingView(r.name, r.elo, r.low, r.high, r.win_rate) for r in ranks.ratings),
        wins={}
        if ranks is None
        else {(a, b): ranks.wins[i][j] for i, a in enumerate(ranks.names) for j, b in enumerate(ranks.names) if i != j},
        notes=_notes(board, found),
    )


def _difference(found: PairTest) -> DifferenceView:
    test = found.test
    return DifferenceView(test.mean, test.low, test.high, found.p_holm, found.significant)


def _notes(board: Leaderboard, found: Ranking) -> tuple[str, ...]:
    notes = []
    complete = len(found.ranks)
    if complete < 2:
        which = "No method has" if complete == 0 else "Only one method has"
        notes.append(f"{which} a score for every dataset and seed, so there is no comparison yet; run what is missing.")
    if complete > 1 and all(test.p_holm is None for test in found.pairs.values()):
        notes.append(
            f"With {'one seed' if len(board.seeds) == 1 else 'these seeds'} the variation between seeds is unknown, so "
            "no difference can be tested; repeat with --seeds 3 or more."
        )
    if complete > 1 and found.by_dataset is None:
        notes.append(
            f"Average ranks and ratings need {FEWEST_DATASETS} datasets; this board has {len(board.averaged)}."
        )
    short = len(board.entries) - complete
    if short:
        notes.append(f"{short} of {len(board.entries)} methods have missing runs and are not ranked.")
    return tuple(notes)
