"""Gains against dataset difficulty: of methods over zero-shot, and of a method with and without one component."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from bench.analysis.dataset_difficulty import RTD
from bench.analysis.statistics.correlation import Correlation, random_orders, spearman
from bench.analysis.statistics.hypothesis_tests import LEVEL, holm

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
        error: root mean squared leave-one-dataset-out error, None with fewer than three datasets.
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
    error: float | None
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


@dataclass(frozen=True)
class MethodTrend:
    """One method's gain over zero-shot as a function of difficulty.

    Args:
        gains: by dataset.
        slopes: the line over datasets by covariate; covariates that are known for fewer than three datasets, or have
            the same value for all, are left out.
    """

    method: str
    gains: Mapping[str, float]
    slopes: Mapping[str, Trend]

    @property
    def gain(self) -> float:
        """Mean gain over datasets."""
        return float(np.sort(list(self.gains.values())).mean())

    @property
    def worst_third(self) -> float:
        """Mean of the lowest third of its gains; a high gain on one dataset does not raise it."""
        ordered = np.sort(list(self.gains.values()))
        return float(ordered[: max(1, len(ordered) // 3)].mean())

    def mean_on(self, datasets: Sequence[str]) -> float | None:
        """Mean gain on a group of datasets, None if one of them is missing or the group is empty."""
        known = bool(datasets) and set(datasets) <= set(self.gains)
        return float(np.mean([self.gains[dataset] for dataset in datasets])) if known else None


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
        found = fit_trend(a[rest], b[rest])
        holds = found.low is not None and found.high is not None and found.low * found.high > 0
        if not holds or found.r2 is None or found.r2 <= 0 or found.slope * trend.slope < 0:
            without[name] = abs(found.slope)
    return replace(trend, carrier=min(without, key=lambda name: (without[name], name), default=None))


def method_trends(
    values: pd.DataFrame, measured: Mapping[str, Mapping[str, float]], *, baseline: str = "zero_shot"
) -> list[MethodTrend]:
    """Gain over zero-shot against every covariate (see `covariates`) of the methods with a line, largest gain first."""
    table = value_table(values)
    if baseline not in table:
        return []
    found = []
    for method, row in sorted(table.items()):
        if method == baseline:
            continue
        gains = {
            dataset: value - table[baseline][dataset] for dataset, value in row.items() if dataset in table[baseline]
        }
        slopes = {}
        for covariate, by_dataset in measured.items():
            datasets = sorted(set(gains) & set(by_dataset))
            x = scaled(covariate, [by_dataset[dataset] for dataset in datasets])
            if len(datasets) >= 3 and np.ptp(x) > 0:
                slopes[covariate] = carried_trend(datasets, x, [gains[dataset] for dataset in datasets])
        if slopes:
            found.append(MethodTrend(method, gains, slopes))
    return sorted(found, key=lambda trend: -trend.gain)


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


CONTRASTS: tuple[tuple[str, str, str], ...] = (
    ("visual prompts", "ivlp", "deep_text_prompts"),
    ("visual prompts", "vpt_text_adapter", "text_adapter"),
    ("visual prompts", "vpt", "zero_shot"),
    ("text adapter", "vpt_text_adapter", "vpt"),
    ("text adapter", "text_adapter", "zero_shot"),
    ("text prompts", "ivlp", "vpt"),
    ("visual adapter", "text_prompts_visual_adapter", "deep_text_prompts"),
    ("visual adapter", "visual_adapter", "zero_shot"),
    ("ensemble", "apex", "vpt_text_adapter"),
)
"""Component, method with the component, the same method without it."""

PUBLISHED_CONTRASTS: tuple[tuple[str, str, str], ...] = (
    ("visual prompts", "vpt", "coop"),
    ("visual prompts", "vpt", "kgcoop"),
    ("visual prompts", "provp_ref", "coop"),
    ("visual prompts", "maple", "cocoop"),
    ("visual prompts", "rvp", "rvp_wo_visual_prompt"),
    ("text adapter", "tcp", "kgcoop"),
    ("regularisation towards the pretrained model", "kgcoop", "coop"),
    ("regularisation towards the pretrained model", "prograd", "coop"),
    ("regularisation towards the pretrained model", "coprompt", "maple"),
)
"""The closest pairs in published tables; most of them differ in more than the component."""


@dataclass(frozen=True)
class ContrastTrend:
    """The effect of a component as a function of a difficulty covariate.

    Args:
        part: the component that the first method has and the second lacks.
        found: Spearman's correlation with a permutation p value, None with fewer than three datasets.
        p_holm: adjusted over all contrasts and covariates of the table.
        trend: the regression line, None with fewer than three datasets or if the covariate is constant.
        along: the covariate by dataset; datasets without it are left out of the trend.
    """

    part: str
    method: str
    without: str
    covariate: str
    differences: Mapping[str, float]
    found: Correlation | None
    p_holm: float | None
    trend: Trend | None
    along: Mapping[str, float] = field(default_factory=dict)

    @property
    def mean(self) -> float:
        """The mean difference over all datasets."""
        return float(np.mean(list(self.differences.values())))

    @property
    def points(self) -> dict[str, tuple[float, float]]:
        """Covariate and difference of the datasets that have both."""
        return {name: (self.along[name], y) for name, y in self.differences.items() if name in self.along}

    @property
    def ends(self) -> tuple[tuple[float, float], tuple[float, float]] | None:
        """Two points of the line at the ends of the covariate, None unless it predicts left-out datasets."""
        if self.trend is None or not self.trend.conclusive:
            return None
        xs = [x for x, _ in self.points.values()]
        low, high = min(xs), max(xs)
        at_low, at_high = self.trend.intercept + self.trend.slope * scaled(self.covariate, [low, high])
        return (low, float(at_low)), (high, float(at_high))

    @property
    def verdict(self) -> str:
        """`rises` or `falls` with difficulty, `not significant`, or `inconclusive` if the line does not predict."""
        if self.trend is None or not self.trend.conclusive or self.found is None or self.p_holm is None:
            return "inconclusive"
        if self.p_holm > LEVEL:
            return "not significant"
        return "rises" if self.found.rho > 0 else "falls"


def contrast_trends(
    values: pd.DataFrame,
    measured: Mapping[str, Mapping[str, float]],
    *,
    contrasts: Sequence[tuple[str, str, str]] = CONTRASTS,
) -> list[ContrastTrend]:
    """The effect of each component on the same method, against every covariate.

    p values come from random orders (from all orders for up to eight datasets) and are adjusted by Holm over all
    returned trends. Datasets without a value of the covariate are left out of its trend.

    Args:
        values: frame of `method`, `dataset` and `value` (a fraction); published values must be from one table.
        contrasts: (component, method with it, method without it); pairs that have not been run are left out.
    """
    table = value_table(values)
    rows: list[ContrastTrend] = []
    for part, method, without in contrasts:
        if method not in table or without not in table:
            continue
        differences = {
            d: table[method][d] - table[without][d] for d in sorted(set(table[method]) & set(table[without]))
        }
        for covariate, by_dataset in measured.items():
            datasets = [d for d in differences if d in by_dataset]
            x, y = [by_dataset[d] for d in datasets], [differences[d] for d in datasets]
            found = spearman(x, y, orders=random_orders(len(datasets)))
            along = scaled(covariate, x)
            trend = fit_trend(along, y) if len(datasets) >= 3 and np.ptp(along) > 0 else None
            rows.append(ContrastTrend(part, method, without, covariate, differences, found, None, trend, by_dataset))
    adjusted = iter(holm([row.found.p for row in rows if row.found is not None]).tolist())
    return [row if row.found is None else replace(row, p_holm=next(adjusted)) for row in rows]
