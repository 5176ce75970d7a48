"""Accuracy against cost, and over training time."""

from collections.abc import Mapping
from dataclasses import dataclass

from reports.views.values import Value


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
class AnytimePointView:
    """An entry after a share of its training, averaged over its runs.

    Args:
        share: of the epochs, in (0, 1].
        seconds: preparation and training up to this point.
        steps: of the optimiser.
        value: the measure that orders the board, averaged as on the board.
    """

    share: float
    seconds: float
    steps: float
    value: float


@dataclass(frozen=True)
class AnytimeCurveView:
    """The curve of one entry, by increasing share, over all its counted runs.

    `converged_at` is the first point from which the curve stays near its final value.
    """

    entry: str
    points: tuple[AnytimePointView, ...]
    converged_at: AnytimePointView
    run_ids: tuple[str, ...]


@dataclass(frozen=True)
class AnytimeView:
    """The curves of a board.

    Args:
        without: trained entries with runs that lack a curve.
        baseline: mean of the untrained model in the shown measure, None without a complete zero-shot entry.
        margin: largest distance from the final value that counts as converged, a fraction.
    """

    curves: tuple[AnytimeCurveView, ...]
    without: tuple[str, ...]
    baseline: float | None
    margin: float
