"""The datasets and seeds that most entries of a leaderboard have, to compare on them."""

from collections.abc import Iterator, Sequence
from itertools import combinations

from bench.analysis.leaderboard.board import CommonCells, Leaderboard
from bench.analysis.leaderboard.entry import Entry

_ALL_SUBSETS = 8
"""Largest number of seeds for which every subset is tried; beyond it, only the seeds that most entries have."""


def common_cells(board: Leaderboard) -> CommonCells | None:
    """The largest grid of datasets and seeds that several entries have; None if two entries are complete or if none.

    Entries with the fewest scores are left out until the others share at least one averaged dataset.
    """
    if sum(entry.rankable for entry in board.entries) > 1:
        return None
    entries = sorted((entry for entry in board.entries if entry.n), key=lambda entry: (-entry.n, entry.key))
    while len(entries) > 1:
        datasets, seeds = _largest_grid(board, entries)
        if datasets:
            inside = {entry.key for entry in board.entries if _has_all(board, entry, datasets, seeds)}
            kept = tuple(entry.key for entry in board.entries if entry.key in inside)
            left = tuple(entry.key for entry in board.entries if entry.key not in inside)
            return CommonCells(datasets, seeds, kept, left)
        entries.pop()
    return None


def _largest_grid(board: Leaderboard, entries: Sequence[Entry]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The grid with most cells; on ties the one with more datasets, then the one with the first seeds."""
    best: tuple[tuple[str, ...], tuple[int, ...]] = ((), ())
    for seeds in _subsets(board, entries):
        datasets = tuple(d for d in board.datasets if all(_has_all(board, entry, (d,), seeds) for entry in entries))
        if not set(datasets) & set(board.averaged) or (board.setting.source and board.setting.source not in datasets):
            continue
        if (len(datasets) * len(seeds), len(datasets)) > (len(best[0]) * len(best[1]), len(best[0])):
            best = datasets, seeds
    return best


def _subsets(board: Leaderboard, entries: Sequence[Entry]) -> Iterator[tuple[int, ...]]:
    def gaps(seed: int) -> int:
        return sum(cell.seed == seed for entry in entries for cell in entry.missing)

    order = sorted(board.seeds, key=lambda seed: (gaps(seed), seed))
    for size in range(1, len(order) + 1):
        if len(order) <= _ALL_SUBSETS:
            yield from combinations(board.seeds, size)
        else:
            yield tuple(sorted(order[:size]))


def _has_all(board: Leaderboard, entry: Entry, datasets: Sequence[str], seeds: Sequence[int]) -> bool:
    """Whether an entry has these datasets with these seeds, or once if it does not depend on the seed."""
    lacks = {(cell.dataset, cell.seed) for cell in entry.missing}
    other = {seed for _, seed in lacks} - set(board.seeds)  # the only seed of a run without shots
    return not any((dataset, seed) in lacks for dataset in datasets for seed in {*seeds, *other})
