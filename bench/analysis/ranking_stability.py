"""What averages of a board are worth: distance from the best, stability of the order, sources of noise. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtr

from bench.analysis.leaderboard import Leaderboard, splits_of
from bench.analysis.paired_average import outcomes_of
from bench.analysis.scores_by_seed import Scores, SeedScore, seed_scores
from bench.analysis.statistics.correlation import kendall_tau
from bench.analysis.statistics.intervals import Estimate, MeanTest

EQUAL_MARGIN = 0.01
"""Largest difference of two accuracies that counts as equal in practice: one point, as in verdicts on papers."""
SPLITS = 50
"""Random splits of the test images; each gives two halves."""


@dataclass(frozen=True)
class SplitHalves:
    """The order of the entries on random halves of the test images.

    Args:
        leader: the first entry on all images.
        first: number of halves in which it is first as well, of `halves`.
        tau: mean of Kendall's tau between the orders of the two halves of a split; None if all entries are tied.
        images: number of test images that were split.
    """

    leader: str
    first: int
    halves: int
    tau: float | None
    images: int


def split_halves(
    board: Leaderboard, runs: pd.DataFrame, *, generator: np.random.Generator, splits: int = SPLITS
) -> SplitHalves | None:
    """How stable the order of the rankable entries is if only half of the test images of each dataset are used.

    Images of one group stay together. None for fewer than two entries, without predictions, or if entries were scored
    on different images. `runs` is the store's `runs_frame(outcomes=True)`.
    """
    measure = board.measures[-1]
    entries = [entry for entry in board.entries if entry.rankable and entry.cells]
    if len(entries) < 2:
        return None
    scores = seed_scores(board, runs)
    halves = np.zeros((len(entries), splits, 2))
    images = 0
    for dataset in board.averaged:
        of_entries = [_runs(scores[entry.key], dataset) for entry in entries]
        by_split = []
        for split in splits_of(measure):
            found = outcomes_of([run for of_entry in of_entries for run in of_entry], {split: 1.0})
            if not found:
                return None
            inside = _halves(found[0].right.shape[1], found[0].groups, generator, splits)
            by_split.append(_accuracies(found[0].right, inside))
            images += len(inside)
        values = by_split[0] if len(by_split) == 1 else _harmonic(*by_split)
        ends = np.cumsum([len(of_entry) for of_entry in of_entries])
        halves += [part.mean(0) for part in np.split(values, ends[:-1])]
    first_of_half = halves.argmax(0)
    taus = np.array([kendall_tau(halves[:, k, 0], halves[:, k, 1]) for k in range(splits)])
    known = taus[np.isfinite(taus)]  # undefined if all entries of a half are tied
    tau = float(known.mean()) if len(known) else None
    return SplitHalves(entries[0].key, int((first_of_half == 0).sum()), 2 * splits, tau, images)


def _runs(scores: Scores, dataset: str) -> list[SeedScore]:
    by_seed = scores.get(dataset, {})
    runs = [by_seed[seed] for seed in sorted(by_seed)]
    return runs if any(run.seeded for run in runs) else runs[:1]


def _halves(
    size: int, groups: NDArray[np.int32] | None, generator: np.random.Generator, splits: int
) -> NDArray[np.float64]:
    """Which images are in the first half of each split, `(images, splits)`."""
    numbers = np.arange(size) if groups is None else np.unique(groups, return_inverse=True)[1]
    count = int(numbers.max()) + 1
    order = generator.permuted(np.tile(np.arange(count), (splits, 1)), axis=1)
    inside: NDArray[np.float64] = (order < count / 2).T[numbers].astype(float)
    return inside


def _accuracies(right: NDArray[np.bool_], inside: NDArray[np.float64]) -> NDArray[np.float64]:
    """Accuracies of runs in both halves, `(runs, splits, 2)`, from whether each image is right, `(runs, images)`."""
    sizes, here = inside.sum(0), right.astype(float) @ inside
    rest = right.sum(1)[:, None] - here
    return np.stack([here / sizes, rest / (len(inside) - sizes)], axis=2)


def _harmonic(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    total = a + b
    return np.divide(2 * a * b, total, out=np.zeros_like(total), where=total > 0)


@dataclass(frozen=True)
class Noise:
    """Where the noise of a mean difference from the leader comes from, and what more data would buy.

    Args:
        error: standard error of the difference on these datasets.
        seeds: share of its variance that is due to the seeds (draw of training images and training), 0..1.
        more_seeds: the standard error with one seed more.
        datasets_error: standard error over datasets, for other datasets of the kind; None with fewer than two.
        more_datasets: the same with one dataset more.
    """

    error: float
    seeds: float
    more_seeds: float
    datasets_error: float | None
    more_datasets: float | None

    @property
    def images(self) -> float:
        """Share of the variance that is due to the test images, which more seeds do not reduce."""
        return 1 - self.seeds


def noise_of(test: MeanTest, over_datasets: Estimate) -> Noise | None:
    """The noise of a tested mean difference. None without a standard error, or with one seed.

    The variance between seeds shrinks as 1 / S, the one of the test images stays. The datasets' means vary by their own
    standard deviation, whose error shrinks as 1 / sqrt(D).
    """
    if test.standard_error is None or test.smallest_group < 2:
        return None
    total, images = test.standard_error**2, min(test.image_error**2, test.standard_error**2)
    seeds, size = total - images, test.smallest_group
    spread, count = over_datasets.std, over_datasets.n
    return Noise(
        error=test.standard_error,
        seeds=seeds / total,
        more_seeds=math.sqrt(images + seeds * size / (size + 1)),
        datasets_error=None if spread is None else spread / math.sqrt(count),
        more_datasets=None if spread is None else spread / math.sqrt(count + 1),
    )


def equivalence_probability(test: MeanTest, margin: float = EQUAL_MARGIN) -> float | None:
    """The probability that two means differ by less than the margin; None without a standard error.

    This is the posterior with a flat prior, Student's t around the difference with the test's degrees of freedom (as
    Benavoli et al., JMLR 2017, for cross-validation). Unlike a p value it can speak for equality.
    """
    if test.standard_error is None or test.df is None:
        return None
    above, below = (float(stdtr(test.df, (end - test.mean) / test.standard_error)) for end in (margin, -margin))
    return above - below
