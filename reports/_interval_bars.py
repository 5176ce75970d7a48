"""Positions of means and intervals on a scale that all rows of a table share, in percent of its width."""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.analysis import Estimate


@dataclass(frozen=True)
class IntervalBar:
    """Positions from 0 to 100; `low` and `high` are clipped to the scale, None without an interval."""

    mean: float
    low: float | None
    high: float | None


def interval_bars(values: Mapping[str, Estimate]) -> dict[str, IntervalBar]:
    """Positions by entry key, on a scale that spans all means."""
    if not values:
        return {}
    means = [value.mean for value in values.values()]
    span = max(max(means) - min(means), 0.01)
    low, high = min(means) - 0.15 * span, max(means) + 0.15 * span

    def place(number: float) -> float:
        return round(min(max(100 * (number - low) / (high - low), 0.0), 100.0), 2)

    bars = {}
    for key, value in values.items():
        half = value.half_width
        ends = (None, None) if half is None else (place(value.mean - half), place(value.mean + half))
        bars[key] = IntervalBar(place(value.mean), *ends)
    return bars
