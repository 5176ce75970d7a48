"""Datasets whose test images a backbone has seen in pretraining, and the order of methods without them. Pure."""

from collections.abc import Collection
from dataclasses import dataclass

from bench.analysis.leaderboard import HARMONIC, HConvention, averages_over_datasets, convention_key, splits_of
from bench.analysis.score_table import ScoreTable
from datasets_registry import SeenImages, UnknownNameError, get_dataset, seen_images

SEEN_SHARE = 0.01
"""A dataset counts as seen if more than this share of its test images overlaps with the pretraining data.

If images that were seen are always classified correctly, a share s raises an accuracy by at most s.
"""


def published_overlap(dataset: str, backbone: str) -> SeenImages | None:
    """The published overlap of a dataset with a backbone's pretraining data; None without one, or if not registered."""
    try:
        return seen_images(get_dataset(dataset.partition(":")[0]), backbone)
    except UnknownNameError:
        return None


def is_seen(overlap: SeenImages | None) -> bool:
    """Whether more than `SEEN_SHARE` of the test images overlap, or some do and the share is not published."""
    return overlap is not None and (overlap.share is None or overlap.share > SEEN_SHARE)


@dataclass(frozen=True)
class MethodWithout:
    """The average and the rank of a method, on all datasets and without some; averages are fractions."""

    key: str
    average: float
    average_without: float
    rank: int
    rank_without: int


@dataclass(frozen=True)
class WithoutSeen:
    """The complete methods of a board with and without the datasets that the backbone has seen.

    Args:
        left_out: names of these datasets.
        kept: number of the other datasets.
        methods: by their rank on all datasets; equal averages have equal ranks.
    """

    measure: str
    left_out: tuple[str, ...]
    kept: int
    methods: tuple[MethodWithout, ...]

    @property
    def moved(self) -> tuple[MethodWithout, ...]:
        """The methods whose rank differs."""
        return tuple(method for method in self.methods if method.rank != method.rank_without)

    @property
    def leaders(self) -> tuple[str, ...]:
        """Keys of the methods with the highest average on all datasets."""
        return tuple(method.key for method in self.methods if method.rank == 1)

    @property
    def leaders_without(self) -> tuple[str, ...]:
        """Keys of the methods with the highest average without the seen datasets."""
        return tuple(method.key for method in self.methods if method.rank_without == 1)

    @property
    def new_leader(self) -> bool:
        """Whether another method leads without the seen datasets."""
        return not set(self.leaders) & set(self.leaders_without)


def without_datasets(
    table: ScoreTable, measure: str, left_out: Collection[str], convention: HConvention = HConvention.MEAN_OF_H
) -> WithoutSeen | None:
    """The order of the complete methods with and without some datasets; None if none or all of them are left out.

    Averages are those of the leaderboard, for H and `open` by that convention.
    """
    without = tuple(name for name in table.datasets if name in left_out)
    kept = tuple(name for name in table.datasets if name not in left_out)
    if not without or not kept:
        return None
    keys = table.ranked(measure)
    averages = {key: _average(table, key, measure, table.datasets, convention) for key in keys}
    others = {key: _average(table, key, measure, kept, convention) for key in keys}
    found = [MethodWithout(key, averages[key], others[key], _rank(key, averages), _rank(key, others)) for key in keys]
    return WithoutSeen(measure, without, len(kept), tuple(sorted(found, key=lambda method: method.rank)))


def _average(table: ScoreTable, key: str, measure: str, datasets: Collection[str], convention: HConvention) -> float:
    by_split = {
        split: [[score for score in table.scores[key, name][split] if score is not None] for name in datasets]
        for split in splits_of(measure)
    }
    name = convention_key(measure, convention) if measure in HARMONIC else measure
    return averages_over_datasets(by_split)[name]


def _rank(key: str, averages: dict[str, float]) -> int:
    return 1 + sum(value > averages[key] + 1e-12 for value in averages.values())
