"""Scores, differences and times as texts. A negative number has a typographic minus, `−1.2`."""

import math
from collections.abc import Iterable
from dataclasses import dataclass


def percent(fraction: float, digits: int = 2) -> str:
    """A fraction in percent, without the sign: 0.717 -> 71.70."""
    return f"{100 * fraction:.{digits}f}"


def sides(mean: float, low: float | None, high: float | None) -> tuple[float, float] | None:
    """Distances of a score to both ends of its interval; None without one.

    The larger one stands for both if they differ by up to a tenth, and the interval then stays within 0..1.
    """
    if low is None or high is None:
        return None
    below, above = mean - low, high - mean
    half = max(below, above)
    alike = min(below, above) >= 0.9 * half and (mean - half >= 0 or low < 0)
    return (half, half) if alike and (mean + half <= 1 or high > 1) else (below, above)


def reach_text(mean: float, low: float | None, high: float | None, digits: int = 2) -> str:
    """The distances of a score to the ends of its interval: `± 1.20`, or `−2.10/+0.40`; empty without an interval.

    Example:
        >>> reach_text(0.717, 0.705, 0.729), reach_text(0.99, 0.94, 0.998), reach_text(0.5, None, None)
        ('± 1.20', '−5.00/+0.80', '')
    """
    ends = sides(mean, low, high)
    if ends is None:
        return ""
    below, above = (percent(side, digits) for side in ends)
    return f"± {above}" if below == above else f"−{below}/+{above}"


def score_text(mean: float, low: float | None, high: float | None, digits: int = 2) -> str:
    """A score with its interval, `71.70 ± 1.20`; the score alone if the interval is unknown."""
    return " ".join(filter(None, [percent(mean, digits), reach_text(mean, low, high, digits)]))


def decimal(number: float, digits: int) -> str:
    """A number with a fixed number of decimals; a zero has no sign.

    Example:
        >>> decimal(2.5, 2), decimal(-0.31, 1), decimal(-0.01, 1)
        ('2.50', '−0.3', '0.0')
    """
    text = f"{abs(number):.{digits}f}"
    return f"−{text}" if number < 0 and float(text) else text


def signed(number: float, digits: int = 2) -> str:
    """A number with its sign: +0.72, −0.05, 0.00."""
    text = decimal(number, digits)
    return f"+{text}" if number > 0 and float(text) else text


def signed_points(difference: float) -> str:
    """A difference of fractions in signed percentage points: -0.012 -> −1.20."""
    return signed(100 * difference)


def points(difference: float) -> str:
    """A difference of fractions in signed points with one decimal: −0.012 -> −1.2."""
    text = unsigned(abs(difference))
    return text if text == "0.0" else f"{'−' if difference < 0 else '+'}{text}"


def unsigned(difference: float) -> str:
    """Points with one decimal, rounded from hundredths as in the tables, so that no number has two roundings."""
    hundredths = math.floor(10_000 * difference + 0.5)
    return f"{(hundredths + 5) // 10 / 10:.1f}"


def points_interval(low: float | None, high: float | None) -> str:
    """An interval of a difference in points, `−2.7 to +10.2`; empty without one."""
    return "" if low is None or high is None else f"{points(low)} to {points(high)}"


def seconds(number: float) -> str:
    """A duration: 0.12 s, 6.0 s, 34 s, 5.2 min, 1.4 h; 0 s below 5 ms.

    Example:
        >>> seconds(0.001), seconds(0.1), seconds(9.96), seconds(9000)
        ('0 s', '0.10 s', '10 s', '2.5 h')
    """
    if number < 0.005:
        return "0 s"
    if number < 9.95:
        return f"{number:#.2g} s"
    if number < 120:
        return f"{number:.0f} s"
    return f"{number / 60:.1f} min" if number < 7200 else f"{number / 3600:.1f} h"


@dataclass(frozen=True)
class TimeUnit:
    """The unit of a column of times, its length in seconds, and the decimals that the smallest time needs."""

    name: str
    size: float
    digits: int

    def number(self, spent: float) -> str:
        """A time in seconds as a number of this unit: 0 only if nothing was spent, and else at least `<0.01`."""
        text = f"{spent / self.size:.{self.digits}f}" if spent else "0"
        return f"<{10**-self.digits:g}" if spent and not float(text) else text


def time_unit(spent: Iterable[float]) -> TimeUnit:
    """The unit that fits the longest of some times in seconds; zeros do not count.

    Example:
        >>> time_unit([0.6, 1.8]), time_unit([90, 0, 900])
        (TimeUnit(name='s', size=1.0, digits=2), TimeUnit(name='min', size=60.0, digits=1))
        >>> time_unit([90, 900]).number(30), time_unit([5, 36_000]).number(5)
        ('0.5', '<0.01')
    """
    times = [time for time in spent if time]
    name, size = next(
        (unit for unit in (("h", 3600.0), ("min", 60.0)) if max(times, default=0) >= 2 * unit[1]), ("s", 1.0)
    )
    least = min(times, default=size * 10) / size
    return TimeUnit(name, size, 0 if least >= 10 else 1 if least >= 1 else 2)
