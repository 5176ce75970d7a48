"""A figure or table of a paper, redrawn from the available runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class FigurePoint:
    """One value of a figure.

    Args:
        panel: title of the small chart.
        series: name of the line, colour or symbol.
        x: a number, or a category.
        y: in the unit of the axis; percent for accuracies.
        low: lower end of the 95 % interval over seeds, None without an interval.
        high: upper end.
        n: number of seeds, 1 for a measurement of a dataset.
        run_ids: empty for measurements of a dataset.
    """

    panel: str
    series: str
    x: float | str
    y: float
    low: float | None
    high: float | None
    n: int
    run_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class FigureView:
    """One figure.

    Args:
        name: unique, usable in a file name and an id.
        source: the figure or table of the paper.
        caption: how it was made, and differences from the paper.
        kind: `line`, `bar` or `point`.
        points: empty without suitable runs.
        order: categories on the x axis from left to right; empty for a numeric axis.
        x_log: whether the x axis is logarithmic.
        missing: runs that the figure lacks, one line each.
        commands: commands for the missing runs.
        own_y: whether each panel has its own y scale.
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
        values = dict.fromkeys(point.x for point in self.points)
        if self.order:
            return tuple(name for name in self.order if name in values)
        return tuple(sorted(values, key=lambda value: (isinstance(value, str), value)))

    def at(self, panel: str, series: str) -> Mapping[float | str, FigurePoint]:
        """Points of one series by x."""
        return {point.x: point for point in self.points if (point.panel, point.series) == (panel, series)}
