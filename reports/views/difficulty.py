"""Component effects and gains against difficulty."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class AxisView:
    """A difficulty measure that can be the x axis."""

    name: str
    title: str
    log: bool


@dataclass(frozen=True)
class CovariateView:
    """A property of datasets; `log` if regression lines use its logarithm."""

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
        verdict: `rises`, `falls`, `not significant` or `inconclusive`.
    """

    rho: float | None
    n: int
    p: float | None
    p_corrected: float | None
    ends: tuple[tuple[float, float], tuple[float, float]] | None
    verdict: str


@dataclass(frozen=True)
class PanelView:
    """One contrast against one covariate: covariate and difference (a fraction) by dataset, and their association.

    `leaving_out` has the results without one dataset, by the left-out dataset.
    """

    covariate: str
    points: Mapping[str, tuple[float, float]]
    result: TrendResultView
    leaving_out: Mapping[str, TrendResultView]


@dataclass(frozen=True)
class ContrastView:
    """The same method with and without a component; `mean` is the difference over all datasets."""

    part: str
    method: str
    without: str
    mean: float
    panels: tuple[PanelView, ...]


@dataclass(frozen=True)
class SlopeView:
    """A method's gain per step of a covariate (a doubling, or ten points) and the error on left-out datasets."""

    slope: float
    low: float | None
    high: float | None
    error: float | None
    verdict: str


@dataclass(frozen=True)
class MethodTrendView:
    """A method's gain over zero-shot: mean, worst third of datasets, easy and hard datasets, slope by covariate.

    `easy` and `hard` are None if the method lacks a dataset of the group.
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
        difficulty: by covariate and dataset.
        left_out: the dataset whose omission every contrast mentions.
        easy, hard: datasets of low and of high difficulty; by default empty below six datasets.
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
        """Number of correlations that are corrected together."""
        return sum(panel.result.rho is not None for contrast in self.contrasts for panel in contrast.panels)
