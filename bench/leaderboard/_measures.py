"""The words for what a board shows: its measures, the two ways of averaging H, and the protocols with targets."""

from __future__ import annotations

from enum import StrEnum

BASELINE = "zero_shot"
H = "H"
TRANSFER = ("cross-dataset", "domain-generalization")
"""Protocols that train on a source; each of their targets is a dataset of the board."""
ALL = "all"


class HConvention(StrEnum):
    """How H enters the average row.

    `h_of_means`: H of the average base and the average new accuracy (CoOp, CoCoOp, MaPLe ...: 69.34, 74.22 -> 71.70).
    `mean_of_h`: the mean of the per-dataset H (APEX's trained rows). The two must not be compared with one another.
    """

    H_OF_MEANS = "h_of_means"
    MEAN_OF_H = "mean_of_h"


def harmonic_mean(base: float, new: float) -> float:
    """H = 2ab / (a + b), 0 where both are 0.

    Example:
        >>> round(harmonic_mean(69.34, 74.22), 2)
        71.7
    """
    return 0.0 if base + new == 0 else 2 * base * new / (base + new)
