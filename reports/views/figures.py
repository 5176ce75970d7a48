"""A paper's figure or table, redrawn from whatever runs there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class FigurePoint:
    """One value of a figure.

    Args:
        panel: which of the figure's small charts.
        series: which line, colour or kind of mark.
        x: a number, or a name on an axis of names.
        y: in the unit of the figure's axis; percent for accuracies.
        low: lower end of the 95 % interval over seeds, None without one.
        high: upper end.
        n: seeds behind it, 1 for a measurement.
        run_ids: the runs behind it; empty for measurements of a dataset.
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
        title: what it shows.
        source: the figure or table of the paper.
        caption: how it was made here, and where that differs from the paper.
        kind: `line`, `bar` or `point`.
        x_title: with unit.
        y_title: with unit.
        points: what is drawn; empty where no run serves.
        order: names on the x axis from left to right; empty for an axis of numbers.
        x_log: whether the x axis has a logarithmic scale.
        missing: what else the figure wants, a line each.
        commands: what makes the missing runs.
        own_y: whether each panel has a scale of its own.
    """

    name: str
    title: str
    source: str
    caption: str
    kind: str
    x_title: str
    y_title: str
    points: tuple[FigurePoint, ...]
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
        """Places on the x axis from left to right."""
        values = dict.fromkeys(point.x for point in self.points)
        if self.order:
            return tuple(name for name in self.order if name in values)
        return tuple(sorted(values, key=lambda value: (isinstance(value, str), value)))

    def at(self, panel: str, series: str) -> Mapping[float | str, FigurePoint]:
        """Points of one line by x."""
        return {point.x: point for point in self.points if (point.panel, point.series) == (panel, series)}
