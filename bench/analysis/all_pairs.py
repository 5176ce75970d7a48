"""The tests of many pairs of a board at once; each equals `board_average` up to rounding. Pure.

Entries that ran with the same seeds on the same test images share their sums over images. One matrix product for each
dataset and split then has the sums of all pairs, where `board_average` goes through the images of each pair.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.analysis.leaderboard import Leaderboard
from bench.analysis.paired_average import board_average, split_weights
from bench.analysis.scores_by_seed import Scores, SeedScore
from bench.analysis.statistics.intervals import MeanTest, mean_test_of_parts

Pair = tuple[str, str]


def board_averages(
    board: Leaderboard, scores: Mapping[str, Scores], pairs: Iterable[Pair], measure: str
) -> dict[Pair, MeanTest]:
    """`board_average` of each pair of entries by one measure, without the pairs that share no run."""
    wanted = list(pairs)
    alike = _alike(board.averaged, scores, sorted({key for pair in wanted for key in pair}), measure)
    found: dict[Pair, MeanTest | None] = {}
    for keys in alike:
        together = [(a, b) for a, b in wanted if {a, b} <= keys and _depend_on_seeds(scores[a], scores[b])]
        if together and len(board.averaged) > 1:
            found |= _tests(board.averaged, scores, together, measure)
    for a, b in wanted:
        if (a, b) not in found:
            found[a, b] = board_average(board, scores, a, b, measure)
    return {pair: test for pair in wanted if (test := found[pair]) is not None}


def _alike(
    datasets: Sequence[str], scores: Mapping[str, Scores], keys: Sequence[str], measure: str
) -> list[frozenset[str]]:
    """Groups of entries with the same two or more seeds and the same test images on all datasets."""
    groups: dict[tuple[object, ...], list[str]] = defaultdict(list)
    for key in keys:
        if (design := _design(datasets, scores[key], measure)) is not None:
            groups[design].append(key)
    return [frozenset(group) for group in groups.values()]


def _design(datasets: Sequence[str], scores: Scores, measure: str) -> tuple[object, ...] | None:
    """Seeds and digests of images on each dataset; None if the runs do not fit one table of two or more seeds."""
    parts: list[object] = []
    for dataset in datasets:
        by_seed = scores.get(dataset, {})
        runs = list(by_seed.values())
        if len(runs) < 2 or not all(measure in run for run in runs):
            return None
        splits = tuple(split_weights(runs, measure))
        digests = {tuple(_digest(run, split) for split in splits) for run in runs}
        if len(digests) > 1 or None in next(iter(digests)):
            return None
        parts.append((tuple(sorted(by_seed)), splits, digests.pop()))
    return tuple(parts)


def _digest(run: SeedScore, split: str) -> str | None:
    """The digest of the images of a split; None with groups, and without predictions on two or more images."""
    found = (run.correct or {}).get(split)
    return None if found is None or len(found[1]) < 2 or split in run.groups else found[0]


def _depend_on_seeds(a: Scores, b: Scores) -> bool:
    """Whether one of two entries depends on the seed on every dataset."""
    return all(any(run.seeded for scores in (a, b) for run in scores[dataset].values()) for dataset in a)


@dataclass(frozen=True)
class _Noise:
    """Noise of the differences of pairs on one dataset, each array `(pairs,)`.

    Args:
        images: for each split, the variance due to the images with its degrees of freedom.
        seeds: the variance of the mean between seeds.
        residual: share of the residual in `seeds`.
    """

    images: Sequence[tuple[NDArray[np.float64], int]]
    seeds: NDArray[np.float64]
    residual: NDArray[np.float64]


def _tests(
    datasets: Sequence[str], scores: Mapping[str, Scores], pairs: Sequence[Pair], measure: str
) -> dict[Pair, MeanTest]:
    """The tests of entries that are alike (see `_alike`) over two or more datasets."""
    keys = sorted({key for pair in pairs for key in pair})
    places = {key: place for place, key in enumerate(keys)}
    a, b = (np.array([places[pair[side]] for pair in pairs]) for side in (0, 1))
    means, noises, sizes = [], [], []
    for dataset in datasets:
        seeds = sorted(scores[keys[0]][dataset])
        runs = [[scores[key][dataset][seed] for seed in seeds] for key in keys]
        values = np.array([[run[measure] for run in of_entry] for of_entry in runs])
        gaps = np.sort(values[a] - values[b], axis=1)  # sorted: sums must not depend on the order of seeds
        means.append(gaps.mean(1))
        noises.append(_noise(runs, gaps, a, b, measure))
        sizes.append(len(seeds))
    mean = np.mean(means, axis=0)
    return {
        pair: mean_test_of_parts(
            float(mean[i]),
            sizes,
            [(float(noise.seeds[i]), size - 1) for noise, size in zip(noises, sizes, strict=True)],
            [(float(variance[i]), df) for noise in noises for variance, df in noise.images],
            float(sum(noise.residual[i] for noise in noises)),
        )
        for i, pair in enumerate(pairs)
    }


def _noise(
    runs: Sequence[Sequence[SeedScore]],
    gaps: NDArray[np.float64],
    a: NDArray[np.intp],
    b: NDArray[np.intp],
    measure: str,
) -> _Noise:
    """The noise on one dataset; `runs` are those of each entry by seed, `gaps` their differences `(pairs, seeds)`."""
    n_seeds = gaps.shape[1]
    weights = [split_weights(of_entry, measure) for of_entry in runs]
    images, residual = [], np.zeros(len(a))
    for split in weights[0]:
        right = np.array([[_correct(run, split) for run in of_entry] for of_entry in runs])
        weight = np.array([of_entry[split] for of_entry in weights])
        n_images = right.shape[2]
        between, rest = _products(right)
        variance = _of_differences(between, weight, a, b) / n_seeds**2 / n_images**2
        images.append((variance / (n_images - 1) / n_images, n_images - 1))
        freedom = (n_seeds - 1) * (n_images - 1)
        squares = _of_differences(rest, weight, a, b) / (n_seeds * n_images) ** 2
        residual += squares / freedom / (n_seeds * n_images)
    centred = gaps - gaps[:, :1]  # exact zeros for equal values
    return _Noise(images, centred.var(axis=1, ddof=1) / n_seeds, residual)


def _correct(run: SeedScore, split: str) -> NDArray[np.bool_]:
    found = (run.correct or {})[split]
    if found is None:
        raise ValueError(f"Run {run.run_id} has no predictions of {split}.")
    return found[1]


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
