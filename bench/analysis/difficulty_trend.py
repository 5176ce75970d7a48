"""Which methods benefit on difficult datasets: regression of the gain over zero-shot on dataset difficulty. Pure.

The input is a long frame with the columns `method`, `dataset` and `value` (a fraction), measured or published, and the
covariates of each dataset. `bench.analysis.contrasts` does the same for components of methods.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

FEWEST = 6
"""Fewest datasets for which a trend can be conclusive."""

COVARIATES = ("relative_transfer_difficulty", "chance", "zero_shot_error")
"""RTD mostly reflects the number of classes, and gains mostly reflect the zero-shot error, so all three are shown."""

LOGARITHMIC = frozenset({"relative_transfer_difficulty", "chance"})
"""Covariates that enter a line by their natural logarithm."""


@dataclass(frozen=True)
class Trend:
    """Least-squares line of y on difficulty over datasets.

    Args:
        slope: change per unit of the covariate, or of its natural logarithm for those in `LOGARITHMIC`.
        low: lower end of the 95 % interval of the slope, None with fewer than three datasets; `high` likewise.
        n: number of datasets.
        error: root mean squared leave-one-dataset-out error, None with fewer than three datasets.
        r2: 1 - squared error / squared error of predicting the mean of the other datasets. At 0 or below, the line
            predicts no better than that mean.
    """

    slope: float
    low: float | None
    high: float | None
    intercept: float
    n: int
    error: float | None
    r2: float | None

    @property
    def conclusive(self) -> bool:
        """Whether there are enough datasets, and the line predicts held-out datasets better than the mean."""
        return self.n >= FEWEST and self.r2 is not None and self.r2 > 0

    @property
    def verdict(self) -> str:
        """`rises` or `falls` with difficulty, `flat` if the interval contains 0, or `inconclusive`."""
        if not self.conclusive or self.low is None or self.high is None:
            return "inconclusive"
        return "rises" if self.low > 0 else "falls" if self.high < 0 else "flat"


@dataclass(frozen=True)
class MethodTrend:
    """One method's gain over zero-shot as a function of difficulty.

    Args:
        gain: mean gain over datasets.
        worst_third: mean of the lowest third of its gains; a high gain on one dataset does not raise it.
    """

    method: str
    covariate: str
    trend: Trend
    gain: float
    worst_third: float


def covariates(difficulty: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Covariates by name and dataset.

    The frame has one row per dataset of one backbone with `dataset`, `n_classes`, `zero_shot_accuracy` and
    `relative_transfer_difficulty`: `bench.published.published_difficulty`, or `difficulty_frame()` pivoted by measure.
    """
    rows = difficulty
    columns = (rows["relative_transfer_difficulty"], 1 / rows["n_classes"], 1 - rows["zero_shot_accuracy"])
    datasets = [str(name) for name in rows["dataset"]]
    return {
        name: dict(zip(datasets, map(float, column), strict=True))
        for name, column in zip(COVARIATES, columns, strict=True)
    }


def fit_trend(x: ArrayLike, y: ArrayLike) -> Trend:
    """Least squares of y on x with a Student-t interval and the leave-one-dataset-out error.

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
        return Trend(slope, None, None, intercept, n, None, None)
    residual = b - intercept - slope * a
    reach = float(stdtrit(n - 2, 0.975)) * math.sqrt(float(residual @ residual) / (n - 2) / squares)
    leverage = 1 / n + centred**2 / squares
    unseen = leverage < 1 - 1e-9  # at leverage 1, all other datasets have equal x, so no slope can be fitted
    out = residual[unseen] / (1 - leverage[unseen])
    plain = ((b - b.mean()) * n / (n - 1))[unseen]
    total = float(plain @ plain)
    error = math.sqrt(float(out @ out) / len(out)) if len(out) else None
    r2 = 1 - float(out @ out) / total if total > 0 else None
    return Trend(slope, slope - reach, slope + reach, intercept, n, error, r2)


def method_trends(
    values: pd.DataFrame, measured: Mapping[str, Mapping[str, float]], *, baseline: str = "zero_shot"
) -> list[MethodTrend]:
    """Gain over zero-shot against every covariate (see `covariates`), one trend per method."""
    table = value_table(values)
    if baseline not in table:
        return []
    gains = {
        method: {d: value - table[baseline][d] for d, value in row.items() if d in table[baseline]}
        for method, row in table.items()
        if method != baseline
    }
    found = []
    for covariate, by_dataset in measured.items():
        for method, row in sorted(gains.items()):
            datasets = sorted(set(row) & set(by_dataset))
            x = scaled(covariate, [by_dataset[d] for d in datasets])
            if len(datasets) < 3 or np.ptp(x) == 0:
                continue
            trend = fit_trend(x, [row[d] for d in datasets])
            ordered = np.sort(list(row.values()))
            third = ordered[: max(1, len(ordered) // 3)]
            found.append(MethodTrend(method, covariate, trend, float(ordered.mean()), float(third.mean())))
    return found


def value_table(values: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Values by method and dataset; raises ValueError if a method has several values on one dataset."""
    repeated = values[values.duplicated(["method", "dataset"])]
    if len(repeated):
        first = repeated.iloc[0]
        raise ValueError(
            f"{first['method']} has several values on {first['dataset']}; give one, such as the mean over seeds."
        )
    table: dict[str, dict[str, float]] = {}
    for method, dataset, value in values[["method", "dataset", "value"]].itertuples(index=False, name=None):
        table.setdefault(str(method), {})[str(dataset)] = float(value)
    return table


def scaled(covariate: str, values: Sequence[float]) -> NDArray[np.float64]:
    """The covariate for a regression: its natural logarithm for those in `LOGARITHMIC`."""
    array = np.asarray(values, dtype=float)
    return np.log(array) if covariate in LOGARITHMIC else array
