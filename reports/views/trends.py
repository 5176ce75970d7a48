"""What a part adds and what a method gains, against difficulty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class CovariateView:
    """A property of datasets that gains are set against; `log` where lines are straight in its logarithm."""

    name: str
    title: str
    hint: str
    log: bool


@dataclass(frozen=True)
class TrendResultView:
    """The association of a contrast with one dataset property.

    Args:
        rho: Spearman's correlation over `n` datasets, None with fewer than three.
        p: permutation p value.
        p_corrected: Holm-corrected over all trends of the measure.
        ends: two points (x, y) of the regression line, None unless it predicts left-out datasets.
        verdict: `rises`, `falls`, `not beyond chance` or `inconclusive`.
    """

    rho: float | None
    n: int
    p: float | None
    p_corrected: float | None
    ends: tuple[tuple[float, float], tuple[float, float]] | None
    verdict: str


@dataclass(frozen=True)
class PanelView:
    """One contrast against one covariate.

    Args:
        points: covariate and difference (a fraction) by dataset.
        result: over all datasets.
        leaving_out: the same without one dataset, by that dataset.
    """

    covariate: str
    points: Mapping[str, tuple[float, float]]
    result: TrendResultView
    leaving_out: Mapping[str, TrendResultView]


@dataclass(frozen=True)
class ContrastView:
    """The same host with and without a part; `mean` is the difference over all datasets."""

    part: str
    method: str
    without: str
    mean: float
    panels: tuple[PanelView, ...]


@dataclass(frozen=True)
class SlopeView:
    """A method's gain per step of a covariate (a doubling, or ten points) and the error on unseen datasets."""

    slope: float
    low: float | None
    high: float | None
    error: float | None
    verdict: str


@dataclass(frozen=True)
class MethodTrendView:
    """A method's gain over zero-shot: mean, worst third, and slope by covariate.

    Args:
        entry: title.
        n: datasets.
        gains: by dataset.
        easy: mean gain on the easy group, None without groups.
        hard: the same of the hard group.
    """

    entry: str
    n: int
    expected: int
    gain: float
    worst_third: float
    easy: float | None
    hard: float | None
    gains: Mapping[str, float]
    slopes: Mapping[str, SlopeView]


@dataclass(frozen=True)
class TrendsView:
    """All trends of one measure.

    Args:
        measure: base, new, H or all.
        difficulty: by covariate and dataset.
        left_out: the dataset that is left out for comparison.
        easy: datasets of low difficulty; empty below six datasets.
        hard: those of high difficulty.
    """

    measure: str
    covariates: tuple[CovariateView, ...]
    difficulty: Mapping[str, Mapping[str, float]]
    contrasts: tuple[ContrastView, ...]
    methods: tuple[MethodTrendView, ...]
    left_out: str | None
    easy: tuple[str, ...]
    hard: tuple[str, ...]

    @property
    def tests(self) -> int:
        """How many correlations are corrected together."""
        return sum(panel.result.rho is not None for contrast in self.contrasts for panel in contrast.panels)
