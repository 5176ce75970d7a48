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
class PanelView:
    """One contrast against one covariate.

    Args:
        points: by dataset the covariate and the difference, a fraction.
        rho: Spearman's correlation over `n` datasets, None where there are too few.
        p: from random orders; `p_corrected` for all panels of the same measure.
        without: the correlation without the dataset that is left out for comparison, None where it is not among them.
        ends: two points of the line, None where the data carry none.
        verdict: `rises`, `falls`, `not beyond chance` or `inconclusive`.
    """

    covariate: str
    points: Mapping[str, tuple[float, float]]
    rho: float | None
    n: int
    p: float | None
    p_corrected: float | None
    without: float | None
    ends: tuple[tuple[float, float], tuple[float, float]] | None
    verdict: str


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
        return sum(panel.rho is not None for contrast in self.contrasts for panel in contrast.panels)
