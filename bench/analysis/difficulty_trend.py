"""A gain against dataset difficulty: the least-squares line, and the dataset that carries it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from bench.analysis.dataset_difficulty import RTD

SIGNIFICANT = ("rises", "falls")
"""Verdicts of a trend that is significant."""
FEWEST_FOR_TREND = 6
"""Fewest datasets for which a trend can be conclusive."""

LOGARITHMIC = frozenset({RTD, "chance"})
"""Covariates that enter a line by their natural logarithm."""


@dataclass(frozen=True)
class Trend:
    """Least-squares line of y on difficulty over datasets.

    Args:
        slope: change per unit of the covariate, or of its natural logarithm for those in `LOGARITHMIC`.
        low: lower end of the 95 % interval of the slope, None with fewer than three datasets; `high` likewise.
        n: number of datasets.
        r2: 1 - squared error / squared error of predicting the mean of the other datasets. At 0 or below, the line
            predicts no better than that mean.
        carrier: the dataset that carries the trend: without it, the slope is not significant. None if there is none, or
            the slope is not significant anyway.
    """

    slope: float
    low: float | None
    high: float | None
    intercept: float
    n: int
    r2: float | None
    carrier: str | None = None

    @property
    def conclusive(self) -> bool:
        """Whether there are enough datasets, and the line predicts held-out datasets better than the mean."""
        return self.n >= FEWEST_FOR_TREND and self.r2 is not None and self.r2 > 0

    @property
    def verdict(self) -> str:
        """`rises` or `falls` with difficulty, `flat` if the interval contains 0, or `inconclusive`."""
        if not self.conclusive or self.low is None or self.high is None:
            return "inconclusive"
        return "rises" if self.low > 0 else "falls" if self.high < 0 else "flat"


def fit_trend(x: ArrayLike, y: ArrayLike) -> Trend:
    """Least squares of y on x with a Student-t interval, and how well it predicts datasets that are left out.

    Raises ValueError if there are fewer than two pairs, or all x are equal.

    Example:
        >>> found = fit_trend([0, 1, 2], [0, 1, 3])
        >>> found.slope, round(found.intercept, 4)  # slope (3 - 0) / 2, through the means (1, 4/3)
        (1.5, -0.1667)
    """
    a, b = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    n = len(a)
    if n < 2 or n != len(b) or np.ptp(a) == 0:
        raise ValueError(f"A line needs at least two different difficulties, got {n} values for {len(b)}.")
    centred = a - a.mean()
    squares = float(centred @ centred)
    slope = float(centred @ b) / squares
    intercept = float(b.mean()) - slope * float(a.mean())
    if n < 3:
        return Trend(slope, None, None, intercept, n, None)
    residual = b - intercept - slope * a
    reach = float(stdtrit(n - 2, 0.975)) * math.sqrt(float(residual @ residual) / (n - 2) / squares)
    leverage = 1 / n + centred**2 / squares
    unseen = leverage < 1 - 1e-9  # at leverage 1, all other datasets have equal x, so no slope can be fitted
    out = residual[unseen] / (1 - leverage[unseen])
    plain = ((b - b.mean()) * n / (n - 1))[unseen]
    total = float(plain @ plain)
    r2 = 1 - float(out @ out) / total if total > 0 else None
    return Trend(slope, slope - reach, slope + reach, intercept, n, r2)


def carried_trend(datasets: Sequence[str], x: ArrayLike, y: ArrayLike) -> Trend:
    """`fit_trend` over named datasets, with the dataset that carries it.

    That is the dataset without which the interval of the slope includes 0, or the line predicts no better than the
    mean; of several, the one without which the slope is smallest.
    """
    a, b = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    trend = fit_trend(a, b)
    if trend.verdict not in SIGNIFICANT:
        return trend
    without = {}
    for place, name in enumerate(datasets):
        rest = np.arange(len(a)) != place
        if np.ptp(a[rest]) == 0:
            without[name] = 0.0
            continue
        refitted = fit_trend(a[rest], b[rest])
        holds = refitted.low is not None and refitted.high is not None and refitted.low * refitted.high > 0
        if not holds or refitted.r2 is None or refitted.r2 <= 0 or refitted.slope * trend.slope < 0:
            without[name] = abs(refitted.slope)
    return replace(trend, carrier=min(without, key=lambda name: (without[name], name), default=None))


def scaled(covariate: str, values: Sequence[float]) -> NDArray[np.float64]:
    """The covariate for a regression: its natural logarithm for those in `LOGARITHMIC`."""
    array = np.asarray(values, dtype=float)
    return np.log(array) if covariate in LOGARITHMIC else array
