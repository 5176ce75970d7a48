"""The measures of a leaderboard: accuracies on splits, and harmonic means of two of them."""

from enum import StrEnum

from bench.spec import OPEN_BASE, OPEN_NEW

BASELINE = "zero_shot"
ALL = "all"
H = "H"
OPEN = "open"
GAP = "gap"
"""Base minus new accuracy; only differences have it."""
HARMONIC = {H: ("base", "new"), OPEN: (OPEN_BASE, OPEN_NEW)}
"""Measures that are the harmonic mean of the accuracies on two splits, and these splits."""


class HConvention(StrEnum):
    """How H and `open` are averaged over datasets.

    `mean_of_h`: mean over datasets of H, which is averaged over the runs of a dataset. Paired differences, intervals
    and tests use this H, so it is the default. `h_of_means`: H of the average base and the average new accuracy, as in
    most papers (CoOp, CoCoOp, MaPLe ...: 69.34, 74.22 -> 71.70). Numbers of different conventions are not comparable.
    """

    H_OF_MEANS = "h_of_means"
    MEAN_OF_H = "mean_of_h"


def splits_of(measure: str) -> tuple[str, ...]:
    """The splits whose accuracies a measure combines: two for a harmonic mean or the gap, otherwise itself."""
    return HARMONIC[H] if measure == GAP else HARMONIC.get(measure, (measure,))


def classes_of(measure: str) -> str:
    """The class split whose difficulty belongs to a measure: base, new or all."""
    return measure if measure in HARMONIC[H] else ALL
