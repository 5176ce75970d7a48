"""Accuracy over training time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AnytimePointView:
    """Accuracy of an entry after a share of its training; `seconds` include preparation."""

    share: float
    seconds: float
    steps: float
    value: float


@dataclass(frozen=True)
class AnytimeCurveView:
    """The curve of one entry, by rising share, averaged over `run_ids`.

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
        curves: in the order of the board.
        without: trained entries with runs that lack a curve.
        baseline: mean of the untrained model in the shown measure, None without a complete zero-shot entry.
        margin: largest distance from the final value that counts as converged, a fraction.
    """

    curves: tuple[AnytimeCurveView, ...]
    without: tuple[str, ...]
    baseline: float | None
    margin: float
