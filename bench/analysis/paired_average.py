"""The mean difference of two entries over datasets, tested with the noise of seeds and test images. Pure."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.analysis.leaderboard import HARMONIC, Leaderboard
from bench.analysis.scores_by_seed import Scores, SeedScore
from bench.analysis.statistics.intervals import (
    Group,
    MeanTest,
    group_of,
    mean_of_groups,
    unpaired_group,
)
from bench.analysis.statistics.score_intervals import in_groups


def paired_test(a: Scores, b: Scores, measure: str, datasets: Sequence[str]) -> MeanTest | None:
    """Mean difference A - B over the datasets, tested with the noise of seeds and of the test images.

    `measure` is base, new, H, open, gap (base minus new) or all. Seeds are paired, or else independent: see
    `matched_runs`. Datasets on which that is None are left out. So are runs without an open score if that is the
    measure. Returns None if no dataset is left. There is no test if predictions are missing, or if only some of the
    datasets have a single seed. With a single seed on each, the test is about test images like these and this one
    training. Scores from a frame without outcomes are tested with the noise of the seeds alone.
    """
    found = (matched_runs(a.get(dataset, {}), b.get(dataset, {}), measure) for dataset in datasets)
    matched = [runs for runs in found if runs is not None]
    if not matched:
        return None
    groups = [group_of_runs(runs, measure) for runs in matched]
    with_outcomes = all(runs.a[0].correct is not None for runs in matched)
    test = mean_of_groups(groups)
    once = {runs.one_training for runs in matched if runs.seeded}
    known = all(group.images for group in groups) and len(once) < 2
    return test if known or not with_outcomes else untested(test)


class Matched(NamedTuple):
    """The runs of two entries on a dataset, in the order of their seeds.

    Args:
        seeds: the common seeds, to which the runs at the same place belong. Empty if both have their own seeds.
    """

    a: Sequence[SeedScore]
    b: Sequence[SeedScore]
    seeds: Sequence[int] = ()

    @property
    def paired(self) -> bool:
        """Whether the runs have common seeds."""
        return bool(self.seeds)

    @property
    def seeded(self) -> bool:
        """Whether one of the entries depends on the seed."""
        return any(run.seeded for run in (*self.a, *self.b))

    @property
    def one_training(self) -> bool:
        """Whether an entry that depends on the seed was trained once, so that the noise of the seeds is unknown."""
        return self.seeded and min(len(self.a), len(self.b)) < 2


def matched_runs(a: Mapping[int, SeedScore], b: Mapping[int, SeedScore], measure: str) -> Matched | None:
    """The runs of two entries on a dataset that are compared by a measure, by seed.

    These are the runs of their common seeds. With fewer than two, they are all runs, unpaired, if both have two or
    more. None if there is neither.
    """
    shared = _common_seeds_with(measure, a, b)
    own_a, own_b = ([runs[seed] for seed in sorted(runs) if measure in runs[seed]] for runs in (a, b))
    paired = Matched([a[seed] for seed in shared], [b[seed] for seed in shared], shared)
    if (not shared or paired.one_training) and min(len(own_a), len(own_b)) > 1:
        return Matched(own_a, own_b)
    return paired if shared else None


def group_of_runs(runs: Matched, measure: str, added: float = 0.0) -> Group:
    """The difference A - B on a dataset and its noise; without images if predictions of the same ones are missing.

    `added` is that of `group_tests`.
    """
    if runs.paired:
        pairs = list(zip(runs.a, runs.b, strict=True))
        gaps = [a[measure] - b[measure] for a, b in pairs]
        return group_of(gaps, [table for _, table in image_tables(pairs, measure)], added)
    of_a, of_b = (outcomes_of(side, split_weights(side, measure)) for side in (runs.a, runs.b))
    first, second = (
        group_of(
            [run[measure] for run in side],
            [in_groups(part.weight * part.right.astype(np.float64), part.groups) for part in parts],
        )
        for side, parts in ((runs.a, of_a), (runs.b, of_b))
    )
    if [part.images for part in of_a] != [part.images for part in of_b]:
        return unpaired_group(first, second)
    means = []
    for a, b in zip(of_a, of_b, strict=True):
        apart = (a.weight * a.right.mean(0) - b.weight * b.right.mean(0)).astype(np.float64)
        means.append(in_groups(apart[None], a.groups if b.groups is None else b.groups))
    return unpaired_group(first, second, means, added)


def untested(found: MeanTest) -> MeanTest:
    """The mean without its test."""
    return MeanTest(found.mean, found.n, found.groups, smallest_group=found.smallest_group, paired=found.paired)


def why_untested(test: MeanTest) -> str:
    """Why a mean has no interval, in a few words."""
    if test.mean == 0:
        return "no difference"
    return "needs two seeds" if test.smallest_group < 2 and test.n > test.groups else "needs predictions"


def board_average(board: Leaderboard, scores: Mapping[str, Scores], a: str, b: str, measure: str) -> MeanTest | None:
    """`paired_test` of two entries over the datasets that the board averages (all but the source)."""
    return paired_test(scores[a], scores[b], measure, board.averaged)


def dataset_means(
    board: Leaderboard, scores: Mapping[str, Scores], a: str, b: str, measure: str
) -> NDArray[np.float64]:
    """The mean difference of two entries on each dataset with `matched_runs`, `(datasets,)`."""
    means = []
    for dataset in board.averaged:
        runs = matched_runs(scores[a].get(dataset, {}), scores[b].get(dataset, {}), measure)
        if runs is not None:
            of_a, of_b = ([run[measure] for run in side] for side in (runs.a, runs.b))
            means.append(float(np.mean(of_a)) - float(np.mean(of_b)))
    return np.array(means)


def common_seeds(a: Mapping[int, SeedScore], b: Mapping[int, SeedScore]) -> list[int]:
    """The common seeds; only one if neither depends on the seed, since repetitions add no evidence."""
    shared = sorted(set(a) & set(b))
    return shared if any(score.seeded for seed in shared for score in (a[seed], b[seed])) else shared[:1]


def _common_seeds_with(measure: str, a: Mapping[int, SeedScore], b: Mapping[int, SeedScore]) -> list[int]:
    """`common_seeds` of the runs that have the measure."""
    both = [seed for seed in a.keys() & b.keys() if measure in a[seed] and measure in b[seed]]
    return common_seeds({seed: a[seed] for seed in both}, {seed: b[seed] for seed in both})


ImageTables = list[tuple[str, NDArray[np.float64]]]
"""For each split of a measure, a digest of its images and a table `(seeds, images)`, or `(seeds, groups)`."""


def image_tables(
    pairs: Sequence[tuple[SeedScore, SeedScore]],
    measure: str,
    weights: Sequence[Mapping[str, float]] = (),
) -> ImageTables:
    """The contribution of every image (or group of images) to A - B, up to a constant; `pairs` are runs of one seed.

    Empty if a run has no predictions, or the runs have different images. Harmonic means are linearised around the means
    over the seeds. `weights` of the splits of A and of B replace those of the measure.
    """
    sides = list(zip(*pairs, strict=True))
    of_splits = weights or [split_weights(side, measure) for side in sides]
    side_a, side_b = (outcomes_of(side, weight) for side, weight in zip(sides, of_splits, strict=True))
    if [part.images for part in side_a] != [part.images for part in side_b]:
        return []
    return [
        (a.images, in_groups(a.weight * a.right - b.weight * b.right, a.groups if b.groups is None else b.groups))
        for a, b in zip(side_a, side_b, strict=True)
    ]


class SplitOutcomes(NamedTuple):
    """The runs of one entry on one split.

    Args:
        images: digest of the test images.
        weight: derivative of the measure by the accuracy on the split.
        right: `(seeds, images)`, whether each image is classified correctly.
        groups: the number of each image's group, `(images,)`; None without groups.
    """

    images: str
    weight: float
    right: NDArray[np.bool_]
    groups: NDArray[np.int32] | None


def outcomes_of(runs: Sequence[SeedScore], weights: Mapping[str, float]) -> list[SplitOutcomes]:
    """The outcomes of some runs on each split, by the weights of the splits.

    Empty if a run has no predictions, or the runs have different images.
    """
    found = []
    for split, weight in weights.items():
        items = [(score.correct or {}).get(split) for score in runs]
        digests = {None if item is None else item[0] for item in items}
        if len(digests) > 1 or (digest := digests.pop()) is None:
            return []
        right = np.array([item[1] for item in items if item], dtype=bool)
        found.append(SplitOutcomes(digest, weight, right, runs[0].groups.get(split)))
    return found


def split_weights(runs: Sequence[SeedScore | Mapping[str, float]], measure: str) -> dict[str, float]:
    """The weight (derivative) of each split's accuracy in the measure."""
    if measure == "gap":
        return {"base": 1.0, "new": -1.0}
    if measure not in HARMONIC:
        return {measure: 1.0}
    splits = HARMONIC[measure]
    base, new = (sum(score[split] for score in runs) / len(runs) for split in splits)
    total = (base + new) ** 2
    return dict(zip(splits, (2 * new**2 / total, 2 * base**2 / total) if total else (0.0, 0.0), strict=True))
