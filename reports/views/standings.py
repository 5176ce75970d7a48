"""Who is ahead of whom, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class DifferenceView:
    """A mean difference, a fraction, with its 95 % interval; `p` is adjusted for all that are shown with it.

    `low`, `high` and `p` are None where the spread is unknown.
    """

    mean: float
    low: float | None
    high: float | None
    p: float | None
    separated: bool


@dataclass(frozen=True)
class RatingView:
    """An entry's Elo rating with the interval over datasets, and the share of comparisons that it wins."""

    entry: str
    elo: float
    low: float | None
    high: float | None
    win_rate: float


@dataclass(frozen=True)
class CriticalView:
    """A critical-difference diagram.

    Args:
        entries: best average rank first.
        ranks: average ranks in that order.
        n: datasets.
        difference: ranks closer than this are not separable.
        cliques: groups that are not separable.
        p: Friedman's test, by Iman and Davenport.
        low_power: the critical difference is above a third of the range of ranks.
    """

    entries: tuple[str, ...]
    ranks: tuple[float, ...]
    n: int
    difference: float
    cliques: tuple[tuple[str, ...], ...]
    p: float
    low_power: bool


@dataclass(frozen=True)
class StandingsView:
    """The order of a board by one measure, with its evidence; only complete entries take part.

    Args:
        leader: the entry with the highest mean, None without a complete one.
        ranks: by entry the ranks that it may hold, such as `2–4`.
        pairs: by (entry, entry) the first minus the second.
        detectable: by entry the smallest difference from the leader that these runs would show (power 0.8).
        seeds_needed: by entry the seeds that would show its difference from the leader.
        critical: None with too few datasets or entries, as are the ratings.
        wins: by (entry, entry) the share of datasets on which the first is ahead.
        notes: what cannot be said, and what it would take.
    """

    measure: str
    leader: str | None
    ranks: Mapping[str, str]
    pairs: Mapping[tuple[str, str], DifferenceView]
    detectable: Mapping[str, float]
    seeds_needed: Mapping[str, int | None]
    critical: CriticalView | None
    ratings: tuple[RatingView, ...]
    wins: Mapping[tuple[str, str], float]
    notes: tuple[str, ...]

    @property
    def tied(self) -> tuple[str, ...]:
        """Entries that are not shown to be behind the leader."""
        return tuple(name for name in self.ranks if name != self.leader and not self.behind(name))

    def behind(self, entry: str) -> bool:
        """Whether that entry is shown to be behind the leader."""
        found = self.pairs.get((self.leader or "", entry))
        return found is not None and found.separated
