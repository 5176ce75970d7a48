"""Calibration, headroom and cost of the entries of one board."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reports.views.values import Value


@dataclass(frozen=True)
class QualityView:
    """One entry on one class split: by measure its value and the number of `datasets` averaged over."""

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
    """The shown measure of one entry and its costs.

    Args:
        value: the shown measure.
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
