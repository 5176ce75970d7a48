"""The order of the methods on a board, as a view."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

from bench.analysis.leaderboard import Leaderboard
from bench.analysis.ranking import FEWEST_DATASETS, Ranking, rank_entries
from bench.presenters.values import view_of
from reports.views import CriticalView, DifferenceView, RatingView, StandingsView

if TYPE_CHECKING:
    import pandas as pd


def standings_view(board: Leaderboard, runs: pd.DataFrame) -> StandingsView:
    """Ranges of ranks, paired differences, average ranks and ratings of a board computed from `runs`."""
    found = rank_entries(board, runs)
    ranks = found.by_dataset
    critical: CriticalView | None = None
    ratings: tuple[RatingView, ...] = ()
    wins: dict[tuple[str, str], float] = {}
    if ranks is not None:
        diagram = ranks.critical
        critical = view_of(CriticalView, diagram, entries=diagram.names, p=diagram.friedman.p_f)
        ratings = tuple(view_of(RatingView, rating, entry=rating.name) for rating in ranks.ratings)
        pairs = permutations(enumerate(ranks.names), 2)
        wins = {(a, b): ranks.wins[i][j] for (i, a), (j, b) in pairs}
    return view_of(
        StandingsView,
        found,
        ranks={held.name: str(held) for held in found.ranks},
        pairs={
            pair: view_of(DifferenceView, tested.test, p=tested.p_holm, significant=tested.significant)
            for pair, tested in found.pairs.items()
        },
        critical=critical,
        ratings=ratings,
        wins=wins,
        notes=_notes(board, found),
    )


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
