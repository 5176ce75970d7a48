"""Measures of a leaderboard, the two conventions of averaging H, and the protocols with targets."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from bench.metrics import harmonic_mean

BASELINE = "zero_shot"
H = "H"
TRANSFER = ("cross-dataset", "domain-generalization")
"""Protocols that train on a source dataset; their targets are the other datasets of the board."""
ALL = "all"


class HConvention(StrEnum):
    """How H is averaged over datasets.

    `h_of_means`: H of the average base and the average new accuracy (CoOp, CoCoOp, MaPLe ...: 69.34, 74.22 -> 71.70).
    `mean_of_h`: mean of the per-dataset H (APEX's trained rows). Numbers of different conventions are not comparable.
    """

    H_OF_MEANS = "h_of_means"
    MEAN_OF_H = "mean_of_h"


def averages_over_datasets(by_split: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The mean of each split and, for base and new classes, H by both conventions.

    Each split has one accuracy per dataset, in the same order of datasets.

    Example:
        >>> found = averages_over_datasets({"base": [0.5, 1.0], "new": [0.5, 0.5]})
        >>> found["h_of_means"], round(found["mean_of_h"], 4)  # H(0.75, 0.5); the mean of 1/2 and 2/3
        (0.6, 0.5833)
    """
    found = {split: sum(values) / len(values) for split, values in by_split.items()}
    if "new" in by_split:
        pairs = list(zip(by_split["base"], by_split["new"], strict=True))
        found[HConvention.H_OF_MEANS.value] = harmonic_mean(found["base"], found["new"])
        found[HConvention.MEAN_OF_H.value] = sum(harmonic_mean(base, new) for base, new in pairs) / len(pairs)
    return found
