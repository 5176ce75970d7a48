"""The order of the entries of a board: paired differences, ranks and ratings."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class DifferenceView:
    """A mean difference, a fraction, with its 95 % interval; `p` is corrected for all pairs of the board.

    `low`, `high` and `p` are None if the variation between seeds is unknown.
    """

    mean: float
    low: float | None
    high: float | None
    p: float | None
    significant: bool


@dataclass(frozen=True)
class RatingView:
    """Elo rating of an entry with its interval over datasets, and the share of comparisons that it wins."""

    entry: str
    elo: float
    low: float | None
    high: float | None
    win_rate: float


@dataclass(frozen=True)
class CriticalView:
    """A critical-difference diagram.

    Args:
        entries: best average rank first; `ranks` are in that order.
        difference: the critical difference (Nemenyi) over `n` datasets.
        cliques: groups of entries that do not differ significantly.
        p: of Friedman's test in the form of Iman and Davenport.
        low_power: whether the critical difference exceeds a third of the range of ranks.
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
    """The order of the complete entries of a board by one measure.

    Args:
        leader: the entry with the highest mean, None without complete entries.
        ranks: range of ranks by entry, such as `2–4`.
        pairs: first minus second, by (entry, entry).
        detectable: smallest difference from the leader with 80 % power, by entry.
        seeds_needed: seeds for 80 % power at the observed difference from the leader, by entry.
        critical: None with too few datasets or entries; then there are no ratings either.
        wins: share of datasets on which the first scores higher, by (entry, entry).
        notes: limits of the comparison, and how to remove them.
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
        """Entries that are not significantly lower than the leader."""
        return tuple(name for name in self.ranks if name != self.leader and not self.below_leader(name))

    def below_leader(self, entry: str) -> bool:
        """Whether the entry is significantly lower than the leader."""
        found = self.pairs.get((self.leader or "", entry))
        return found is not None and found.significant
