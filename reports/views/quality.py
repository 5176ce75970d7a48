"""Calibration, headroom and cost of the entries of one leaderboard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reports.views.values import Value


@dataclass(frozen=True)
class QualityView:
    """One entry on one class split; `values` and how many `datasets` each is over, by column."""

    entry: str
    split: str
    values: Mapping[str, Value]
    datasets: Mapping[str, int]
    run_ids: tuple[str, ...]


@dataclass(frozen=True)
class AgreementView:
    """Kendall's tau between the orders by accuracy and by headroom gain, with its interval over datasets."""

    split: str
    tau: float
    low: float | None
    high: float | None
    entries: int
    datasets: int


@dataclass(frozen=True)
class CostPointView:
    """One entry's shown measure beside what it costs.

    Args:
        value: the shown measure.
        costs: mean per run, by axis.
        front: whether it is on the Pareto front of an axis; only complete entries take part.
        probability: of being on it when datasets and seeds are drawn anew; empty where the entry is incomplete.
        spread: whether the runs let datasets or seeds be drawn anew at all.
    """

    entry: str
    value: Value
    costs: Mapping[str, float]
    front: Mapping[str, bool]
    probability: Mapping[str, float]
    spread: bool
    run_ids: tuple[str, ...]
