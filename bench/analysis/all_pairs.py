"""The tests of many pairs of a board at once; each equals `board_average` up to rounding. Pure.

Entries that ran with the same seeds on the same test images share their sums over images. One matrix product for each
dataset and split then has the sums of all pairs, where `board_average` goes through the images of each pair.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.analysis.leaderboard import Leaderboard
from bench.analysis.paired_average import SplitOutcomes, board_average, outcomes_of, split_weights
from bench.analysis.scores_by_seed import Scores
from bench.analysis.statistics.intervals import MeanTest, mean_test_of_parts
from bench.analysis.statistics.seed_variance import variances_of_mean

Pair = tuple[str, str]


class _OnDataset(NamedTuple):
    """The runs of an entry on a dataset: their seeds, values by seed, outcomes, and whether they depend on the seed."""

    seeds: tuple[int, ...]
    values: list[float]
    splits: Sequence[SplitOutcomes]
    seeded: bool

    @property
    def images(self) -> tuple[str, ...]:
        """The digest of the test images of each split."""
        return tuple(split.images for split in self.splits)


def board_averages(
    board: Leaderboard, scores: Mapping[str, Scores], pairs: Iterable[Pair], measure: str
) -> dict[Pair, MeanTest]:
    """`board_average` of each pair of entries by one measure, without the pairs that share no run."""
    wanted = list(pairs)
    keys = sorted({key for pair in wanted for key in pair}) if board.averaged else []
    tables = {key: _tables(board.averaged, scores[key], measure) for key in keys}
    designs = {key: tuple((one.seeds, one.images) for one in table) for key, table in tables.items() if table}
    together: dict[tuple[object, ...], list[Pair]] = defaultdict(list)
    for a, b in wanted:
        if a in designs and designs[a] == designs.get(b) and all(map(_seeded, tables[a], tables[b])):
            together[designs[a]].append((a, b))
    found = {pair: test for alike in together.values() for pair, test in _tests(tables, alike).items()}
    tests = {pair: found.get(pair) or board_average(board, scores, *pair, measure) for pair in wanted}
    return {pair: test for pair, test in tests.items() if test is not None}


def _seeded(a: _OnDataset, b: _OnDataset) -> bool:
    return a.seeded or b.seeded


def _tables(datasets: Sequence[str], scores: Scores, measure: str) -> list[_OnDataset]:
    """The runs of an entry on each dataset.

    Empty without two or more seeds and images, without predictions, with groups, or if the seeds have other images.
    """
    found = []
    for dataset in datasets:
        seeds = tuple(sorted(scores.get(dataset, {})))
        runs = [scores[dataset][seed] for seed in seeds]
        if len(runs) < 2 or not all(measure in run for run in runs):
            return []
        splits = outcomes_of(runs, split_weights(runs, measure))
        if not splits or any(split.groups is not None or split.right.shape[1] < 2 for split in splits):
            return []
        values = [run[measure] for run in runs]
        found.append(_OnDataset(seeds, values, splits, any(run.seeded for run in runs)))
    return found


class _Noise(NamedTuple):
    """Noise of the differences of pairs on one dataset, each array `(pairs,)`.

    Args:
        images: for each split, the variance due to the images with its degrees of freedom.
        seeds: the variance of the mean between seeds.
        residual: share of the residual in `seeds`.
    """

    images: Sequence[tuple[NDArray[np.float64], int]]
    seeds: NDArray[np.float64]
    residual: NDArray[np.float64]

    @property
    def of_one_image(self) -> NDArray[np.float64]:
        """The variance of one image around the mean over seeds."""
        found: NDArray[np.float64] = np.sum([variance * (df + 1) for variance, df in self.images], axis=0)
        return found


def _tests(tables: Mapping[str, Sequence[_OnDataset]], pairs: Sequence[Pair]) -> dict[Pair, MeanTest]:
    """The tests of entries with the same seeds and images on two or more datasets."""
    keys = sorted({key for pair in pairs for key in pair})
    a, b = (np.array([keys.index(pair[side]) for pair in pairs]) for side in (0, 1))
    means, noises, sizes = [], [], []
    for entries in zip(*(tables[key] for key in keys), strict=True):
        values = np.array([entry.values for entry in entries])
        gaps = np.sort(values[a] - values[b], axis=1)  # sorted: sums must not depend on the order of seeds
        means.append(gaps.mean(1))
        noises.append(_noise([entry.splits for entry in entries], gaps, a, b))
        sizes.append(gaps.shape[1])
    mean = np.mean(means, axis=0)
    parts = zip(*((noise.seeds, noise.residual, noise.of_one_image) for noise in noises), strict=True)
    seeds, residual, of_one_image = map(np.array, parts)
    between = variances_of_mean(seeds, [size - 1 for size in sizes], residual, of_one_image)
    return {
        pair: mean_test_of_parts(
            float(mean[i]),
            sizes,
            [(variance, size - 1) for variance, size in zip(between[:, i].tolist(), sizes, strict=True)],
            [(float(variance[i]), df) for noise in noises for variance, df in noise.images],
            float(residual[:, i].sum()),
        )
        for i, pair in enumerate(pairs)
    }


def _noise(
    outcomes: Sequence[Sequence[SplitOutcomes]],
    gaps: NDArray[np.float64],
    a: NDArray[np.intp],
    b: NDArray[np.intp],
) -> _Noise:
    """The noise on one dataset from the outcomes of each entry and the differences of pairs, `(pairs, seeds)`."""
    n_seeds = gaps.shape[1]
    images, residual = [], np.zeros(len(a))
    for of_split in zip(*outcomes, strict=True):
        right, weight = np.array([entry.right for entry in of_split]), np.array([entry.weight for entry in of_split])
        n_images = right.shape[2]
        between, rest = _products(right)
        variance = _of_differences(between, weight, a, b) / n_seeds**2 / n_images**2
        images.append((variance / (n_images - 1) / n_images, n_images - 1))
        freedom = (n_seeds - 1) * (n_images - 1)
        squares = _of_differences(rest, weight, a, b) / (n_seeds * n_images) ** 2
        residual += squares / freedom / (n_seeds * n_images)
    centred = gaps - gaps[:, :1]  # exact zeros for equal values
    return _Noise(images, centred.var(axis=1, ddof=1) / n_seeds, residual)


def _products(right: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Products of the entries' centred sums by image, and of their residuals of a two-way layout, `(entries, entries)`.

    `right` is `(entries, seeds, images)`. The first has the factor `images^2`, the second `(seeds x images)^2`. Both
    are whole numbers, so that the difference of two equal entries has no spread at all.
    """
    n_entries, n_seeds, n_images = right.shape
    by_image = right.sum(1, dtype=np.float64)
    by_seed = right.sum(2, dtype=np.float64)
    totals = by_image.sum(1)
    all_cells = right.reshape(n_entries, -1).astype(np.float64)
    cells, images = all_cells @ all_cells.T, by_image @ by_image.T
    seeds, total = by_seed @ by_seed.T, np.outer(totals, totals)
    between = n_images * (n_images * images - total)
    n = n_seeds * n_images
    rest = n * (n * cells - n_images * images - n_seeds * seeds + total)
    return between, rest


def _of_differences(
    products: NDArray[np.float64], weight: NDArray[np.float64], a: NDArray[np.intp], b: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Sums of squares of the weighted differences A - B, `(pairs,)`, at least zero."""
    weighted = products * np.outer(weight, weight)
    squares: NDArray[np.float64] = weighted[a, a] + weighted[b, b] - 2 * weighted[a, b]
    return np.maximum(squares, 0.0)
