"""Accuracy over training time of the entries of one leaderboard."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AnytimePointView:
    """Where an entry is at one share of its training; seconds include preparation."""

    share: float
    seconds: float
    steps: float
    value: float


@dataclass(frozen=True)
class AnytimeCurveView:
    """One entry's curve.

    Args:
        points: by rising share.
        arrives: the first point from which on the curve stays near its end.
        run_ids: the runs that it averages.
    """

    entry: str
    points: tuple[AnytimePointView, ...]
    arrives: AnytimePointView
    run_ids: tuple[str, ...]


@dataclass(frozen=True)
class AnytimeView:
    """The curves of a board.

    Args:
        curves: in the order of the board.
        without: trained entries that have none, or not of every run.
        baseline: the shown measure of the model before any training, where a complete entry of it is on the board.
        near: how far below its end a curve has arrived, as a fraction of 1.
    """

    curves: tuple[AnytimeCurveView, ...]
    without: tuple[str, ...]
    baseline: float | None
    near: float
