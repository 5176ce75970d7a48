"""Measures of a leaderboard, the two conventions of averaging harmonic means, and the protocols with targets."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from bench.metrics import harmonic_mean
from bench.record import OPEN_BASE, OPEN_NEW

BASELINE = "zero_shot"
H = "H"
OPEN = "open"
HARMONIC = {H: ("base", "new"), OPEN: (OPEN_BASE, OPEN_NEW)}
"""Measures that are the harmonic mean of the accuracies on two splits, and these splits."""
OPEN_SCORES = (OPEN_BASE, OPEN_NEW, "openworld_auc", "near_ood_auroc", "open_base_ece", "open_new_ece")
"""Numbers of the open score other than `open`."""
TRANSFER = ("cross-dataset", "domain-generalization")
"""Protocols that train on a source dataset; their targets are the other datasets of the board."""
ALL = "all"


class HConvention(StrEnum):
    """How H and `open` are averaged over datasets.

    `mean_of_h`: mean over datasets of H, which is averaged over the runs of a dataset. Paired differences, intervals
    and tests use this H, so it is the default. `h_of_means`: H of the average base and the average new accuracy, as in
    most papers (CoOp, CoCoOp, MaPLe ...: 69.34, 74.22 -> 71.70). Numbers of different conventions are not comparable.
    """

    H_OF_MEANS = "h_of_means"
    MEAN_OF_H = "mean_of_h"


def averages_over_datasets(by_split: Mapping[str, Sequence[Sequence[float]]]) -> dict[str, float]:
    """The mean of each split and, if both splits of a harmonic mean are given, this mean by both conventions.

    Keys are described in `convention_key`. Each split has the accuracies of every dataset, one per seed, in the same
    order of datasets and seeds.

    Example:
        >>> found = averages_over_datasets({"base": [[0.5], [1.0]], "new": [[0.5], [0.5]]})
        >>> found["h_of_means"], round(found["mean_of_h"], 4)  # H(0.75, 0.5); the mean of 1/2 and 2/3
        (0.6, 0.5833)
    """
    found = {split: _mean([_mean(seeds) for seeds in values]) for split, values in by_split.items()}
    for measure, (one, other) in HARMONIC.items():
        if one in by_split and other in by_split:
            pairs = zip(by_split[one], by_split[other], strict=True)
            of_datasets = [_mean([harmonic_mean(b, n) for b, n in zip(base, new, strict=True)]) for base, new in pairs]
            found[convention_key(measure, HConvention.H_OF_MEANS)] = harmonic_mean(found[one], found[other])
            found[convention_key(measure, HConvention.MEAN_OF_H)] = _mean(of_datasets)
    return found


def convention_key(measure: str, convention: HConvention) -> str:
    """Name of an average by that convention, such as `mean_of_h` for H and `open_mean_of_h` for the open score."""
    return convention.value if measure == H else f"{measure}_{convention.value}"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
