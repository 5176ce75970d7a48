"""A figure of a paper as plain values, plotted from runs."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class FigurePoint:
    """One value of a figure.

    Args:
        panel, series: title of the small chart; name of the line, colour or symbol.
        y: in the unit of the axis; percent for accuracies.
        low, high: the 95 % interval, None without one.
        n: number of seeds, 1 for a measurement of a dataset, which has no `run_ids`.
        covers: what the interval covers, such as seeds; empty without one.
    """

    panel: str
    series: str
    x: float | str
    y: float
    low: float | None
    high: float | None
    n: int
    run_ids: tuple[str, ...] = ()
    covers: str = ""


@dataclass(frozen=True)
class PaperFigure:
    """One figure.

    Args:
        name: unique, usable in a file name and an id.
        caption: how the figure was made, and differences from `source`, the figure or table of the paper.
        kind: `line`, `bar` or `point`.
        order: categories on the x axis from left to right; empty for a numeric axis.
        missing: runs that the figure lacks, one line each; `commands` start them.
        own_y: whether each panel has its own y scale.
        printed: values that the paper prints, drawn over ours as open marks.
        labelled: whether the name of a series stands beside its first mark in each panel, in place of a legend.
    """

    name: str
    title: str
    source: str
    caption: str
    kind: str
    points: tuple[FigurePoint, ...]
    x_title: str = ""
    y_title: str = "Accuracy, %"
    order: tuple[str, ...] = ()
    x_log: bool = False
    missing: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    own_y: bool = False
    printed: tuple[FigurePoint, ...] = ()
    labelled: bool = False

    @property
    def series(self) -> tuple[str, ...]:
        """Names in order of appearance."""
        return tuple(dict.fromkeys(point.series for point in self.points))

    @property
    def panels(self) -> tuple[str, ...]:
        """Names in order of appearance."""
        return tuple(dict.fromkeys(point.panel for point in self.points))

    @property
    def x_values(self) -> tuple[float | str, ...]:
        """Values on the x axis from left to right."""
        values = dict.fromkeys(point.x for point in (*self.points, *self.printed))
        if self.order:
            return tuple(name for name in self.order if name in values)
        return tuple(sorted(values, key=lambda value: (isinstance(value, str), value)))

    def interval(self, point: FigurePoint) -> tuple[float, float] | None:
        """The interval of a point within the values that are possible: 0 to 100 %, and -100 to 100 points."""
        if point.low is None or point.high is None:
            return None
        if self.y_title.endswith("%"):
            return max(point.low, 0.0), min(point.high, 100.0)
        if self.y_title.endswith("points"):
            return max(point.low, -100.0), min(point.high, 100.0)
        return point.low, point.high

    def at(self, panel: str, series: str) -> Mapping[float | str, FigurePoint]:
        """Points of one series by x."""
        return {point.x: point for point in self.points if (point.panel, point.series) == (panel, series)}
