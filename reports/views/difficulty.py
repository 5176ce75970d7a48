"""Scores against difficulty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reports.views.values import Value


@dataclass(frozen=True)
class PointView:
    """One entry on one dataset in one panel of the difficulty charts."""

    entry: str
    dataset: str
    panel: str
    value: Value
    gain: float | None
    difficulty: Mapping[str, float]
    run_ids: tuple[str, ...]


@dataclass(frozen=True)
class TrendView:
    """An association between difficulty and a chart's y axis for one entry, over datasets.

    Args:
        target: `value` or `gain`.
        ends: two points (x, y) of the least-squares line, None where it does not predict unseen datasets.
        rho: Spearman's rank correlation over `n` datasets.
        beyond_chance: whether |rho| reaches the two-sided 5 % critical value.
    """

    entry: str
    panel: str
    measure: str
    target: str
    ends: tuple[tuple[float, float], tuple[float, float]] | None
    rho: float
    n: int
    beyond_chance: bool


@dataclass(frozen=True)
class AxisView:
    """A difficulty measure that can be an x axis."""

    name: str
    title: str
    log: bool
