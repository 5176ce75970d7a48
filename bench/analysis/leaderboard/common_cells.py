"""The datasets and seeds that most entries of a leaderboard have, to compare on them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from bench.analysis.leaderboard.board import CommonCells, Leaderboard

Gaps = Mapping[str, Mapping[str, set[int]]]
"""The seeds that each entry lacks on each dataset."""
_ALL_SUBSETS = 8
"""Largest number of seeds for which every subset is tried; beyond it, only the seeds that most entries have."""


@dataclass(frozen=True)
class _Grid:
    """Datasets, seeds, and the entries that have all of these cells."""

    datasets: tuple[str, ...]
    seeds: tuple[int, ...]
    keys: frozenset[str]

    @property
    def size(self) -> tuple[int, int, int]:
        """Number of paired runs in the grid; among equals, more entries and then more datasets are better."""
        pairs = len(self.keys) * (len(self.keys) - 1) // 2
        return pairs * len(self.datasets) * len(self.seeds), len(self.keys), len(self.datasets)


def common_cells(board: Leaderboard) -> CommonCells | None:
    """The datasets and seeds to compare on; None for all of them.

    All are compared if at least half of the entries, and at least two, have them. One entry with more seeds or datasets
    than the others thus does not leave the others without a rank. Otherwise the grid with most pairs of runs is chosen
    among those that at least half of the entries have; if there is none, among those that most entries have. Oracles
    and entries without a score do not count.
    """
    entries = [entry for entry in board.entries if entry.n and not entry.oracle]
    half = max(2, (len(entries) + 1) // 2)
    if sum(entry.complete for entry in entries) >= half:
        return None
    gaps = _gaps(board)
    compared = {entry.key: gaps[entry.key] for entry in entries}
    for fewest in range(half, 1, -1):
        grids = list(_grids(board, compared, fewest))
        if grids:
            best = max(grids, key=lambda grid: grid.size)  # the first of equals
            seeds = set(best.seeds)
            inside = {key for key, lacks in gaps.items() if not any(lacks[name] & seeds for name in best.datasets)}
            kept = tuple(entry.key for entry in board.entries if entry.key in inside)
            left = tuple(entry.key for entry in board.entries if entry.key not in inside)
            return CommonCells(tuple(d for d in board.datasets if d in best.datasets), best.seeds, kept, left)
    return None


def _grids(board: Leaderboard, gaps: Gaps, fewest: int) -> Iterator[_Grid]:
    """For each choice of seeds, grids of the datasets that most entries have; at least `fewest` have all of a grid."""
    for seeds in _subsets(board, gaps):
        has = {d: frozenset(key for key, lacks in gaps.items() if not lacks[d] & set(seeds)) for d in board.datasets}
        source = board.setting.source
        order = sorted(board.datasets, key=lambda name: (name != source, -len(has[name])))
        datasets: tuple[str, ...] = ()
        keys = frozenset(gaps)
        for name in order:
            if len(keys & has[name]) < fewest:
                if name == source:
                    break  # every run of a transfer protocol needs its source
                continue
            datasets, keys = (*datasets, name), keys & has[name]
            if set(datasets) & set(board.averaged):
                yield _Grid(datasets, seeds, keys)


def _gaps(board: Leaderboard) -> Gaps:
    """The gaps of all entries; an entry that lacks its only run, which needs no seed, lacks all seeds."""
    gaps: dict[str, dict[str, set[int]]] = {entry.key: defaultdict(set) for entry in board.entries}
    for cell in board.missing:
        gaps[cell.entry][cell.dataset] |= {cell.seed} if cell.seed in board.seeds else set(board.seeds)
    return gaps


def _subsets(board: Leaderboard, gaps: Gaps) -> Iterator[tuple[int, ...]]:
    def lacking(seed: int) -> int:
        return sum(seed in seeds for lacks in gaps.values() for seeds in lacks.values())

    order = sorted(board.seeds, key=lambda seed: (lacking(seed), seed))
    for size in range(1, len(order) + 1):
        if len(order) <= _ALL_SUBSETS:
            yield from combinations(board.seeds, size)
        else:
            yield tuple(sorted(order[:size]))
