"""Scales with their ticks, and interval bars of tables."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Place = Callable[[float], float]
"""From a value to a position in px."""


@dataclass(frozen=True)
class PlotAxis:
    """Positions of values in px, and the ticks to show."""

    at: Place
    ticks: tuple[float, ...]


def linear_axis(values: Sequence[float], start: float, end: float, *, most: int = 6, pad: float = 0.06) -> PlotAxis:
    """An axis over the values with room at both ends, and at most `most` intervals between ticks.

    Example:
        >>> axis = linear_axis([0, 10], 0, 112)
        >>> axis.at(0), axis.at(10), axis.ticks
        (6.0, 106.0, (0.0, 2.0, 4.0, 6.0, 8.0, 10.0))
    """
    least, largest = (min(values), max(values)) if values else (0.0, 1.0)
    room = pad * (largest - least) or 0.01 * (abs(largest) or 1.0)
    low, high = least - room, largest + room
    return PlotAxis(between(low, high, start, end), tuple(linear_ticks(low, high, most)))


def log_axis(values: Sequence[float], start: float, end: float, constant: float = 0.0) -> PlotAxis:
    """A logarithmic axis over positive values; with a constant it is linear below about it, so that it shows 0.

    Example:
        >>> axis = log_axis([1, 100], 0, 110)
        >>> axis.at(1), axis.at(10), axis.ticks
        (5.0, 55.0, (1.0, 10.0, 100.0))
        >>> log_axis([0, 1000], 0, 110, 10).ticks
        (0.0, 10.0, 100.0, 1000.0)
    """
    along: Place = (lambda value: math.log1p(value / constant)) if constant else math.log
    least, largest = min(values), max(values)
    room = 0.05 * (along(largest) - along(least)) or 0.5
    low, high = along(least) - room, along(largest) + room
    ticks = [tick for tick in _log_ticks(least, largest, constant) if low <= along(tick) <= high]
    place = between(low, high, start, end)
    return PlotAxis(lambda value: place(along(value)), tuple(ticks or linear_ticks(least, largest, 4) or [least]))


def _log_ticks(least: float, largest: float, constant: float) -> list[float]:
    """Powers of ten, and their double and fivefold if few are between the ends; 0 as well with a constant."""
    low, high = constant or least, max(largest, constant or least)
    powers = [10.0**e for e in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
    if constant:
        return [0.0, *powers]
    if sum(least <= power <= largest for power in powers) < 3:
        return [float(f"{m * power:.3g}") for power in powers for m in (1, 2, 5)]
    return powers


def linear_ticks(low: float, high: float, most: int) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten between two values."""
    steps = (m * 10.0**e for e in range(-18, 16) for m in (1, 2, 5))
    step = next(step for step in steps if (high - low) / step <= most)
    return [float(f"{step * n:.12g}") for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


def between(low: float, high: float, start: float, end: float) -> Place:
    """Places of values in px, where `low` is at `start` and `high` at `end`."""
    return lambda value: round(start + (end - start) * (value - low) / (high - low), 1)
