"""Accuracy against cost, and over training time."""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.analysis import AnytimeCurve, Value


@dataclass(frozen=True)
class CostPointView:
    """The shown measure of one entry and its costs.

    Args:
        costs: mean per run, by axis.
        front: whether the entry is on the Pareto front of an axis; empty for incomplete entries and oracles.
        probability: bootstrap probability of being on it, likewise.
        spread: whether there are datasets or seeds to resample.
    """

    entry: str
    value: Value
    costs: Mapping[str, float]
    front: Mapping[str, bool]
    probability: Mapping[str, float]
    spread: bool
    run_ids: tuple[str, ...]


@dataclass(frozen=True)
class AnytimeView:
    """The curves of a board.

    Args:
        without: trained entries with runs that lack a curve.
        baseline: mean of the untrained model in the shown measure, None without a complete zero-shot entry.
        margin: largest distance from the final value that counts as converged, a fraction.
    """

    curves: tuple[AnytimeCurve, ...]
    without: tuple[str, ...]
    baseline: float | None
    margin: float
