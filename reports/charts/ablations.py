"""The gain of a component against one property of the datasets."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bench.analysis import difficulty_trend
from reports._format import points, signed_points
from reports.charts.drawing import ACCENT, SOFT, STRONG, path, svg, text
from reports.charts.plot import Place, between
from reports.titles import DifficultyAxis

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 250, 138, 40, 244, 8, 116
Trend = difficulty_trend.ContrastTrend


@dataclass(frozen=True)
class AblationPanel:
    """One panel.

    Args:
        label: what it shows, for readers who do not see it.
        trends: the trend, and by the number of a dataset that without it.
        heights: the differences of all panels of the contrast, which share their vertical axis.
        titles: of all datasets by name, in the order of their numbers.
    """

    label: str
    axis: DifficultyAxis
    trends: Mapping[int | None, Trend]
    heights: Sequence[float]
    titles: Mapping[str, str]

    @property
    def points(self) -> Mapping[str, tuple[float, float]]:
        """Property and difference of each dataset."""
        return self.trends[None].points

    def x(self, value: float) -> float:
        """The place of a property in px; it is known of some dataset."""
        along = math.log if self.axis.log else float
        known = [along(at) for at, _ in self.points.values()]
        return between(*_with_room(known, 0.06, 0.5), LEFT, RIGHT)(along(value))

    @property
    def y(self) -> Place:
        """The places of differences in px."""
        return between(*_with_room([*self.heights, 0.0], 0.08, 0.01), BOTTOM, TOP)


def _with_room(values: Sequence[float], share: float, least: float) -> tuple[float, float]:
    """The ends of an axis with room on both sides."""
    low, high = min(values), max(values)
    room = share * (high - low) or least
    return low - room, high + room


def panel_svg(panel: AblationPanel) -> Markup:
    """A point for each dataset with its number as `data-d`, and the lines of all trends.

    A line has as `data-out` the number of the dataset that it leaves out; the page shows one at a time.
    """
    parts = [path(f"M{LEFT},{TOP}V{BOTTOM}H{RIGHT}", STRONG)]
    if panel.points:
        parts.append(path(f"M{LEFT},{panel.y(0)}H{RIGHT}", STRONG, 'stroke-dasharray="3 3"'))
        parts += [_line(panel, number, trend) for number, trend in panel.trends.items() if trend.ends is not None]
        parts += [*_ticks(panel), *(_point(panel, name) for name in panel.points)]
    return svg(WIDTH, HEIGHT, panel.label, parts, 0)


def _line(panel: AblationPanel, number: int | None, trend: Trend) -> Markup:
    outline = "L".join(f"{panel.x(at)},{panel.y(value)}" for at, value in trend.ends or ())
    dashed = ' stroke-dasharray="6 4" stroke-opacity=".6"' if trend.verdict == "not significant" else ""
    out = "" if number is None else number
    return path(f"M{outline}", ACCENT, f'class="trend-line" data-out="{out}" stroke-width="2"{dashed}')


def _ticks(panel: AblationPanel) -> list[Markup]:
    """The ends of both axes, and 0."""
    y, xs = panel.y, [at for at, _ in panel.points.values()]
    ends = [value for value in (min(panel.heights), max(panel.heights)) if abs(y(value) - y(0)) > 12]
    shown = "{:.0%}".format if panel.axis.name == "zero_shot_error" else "{:.2g}".format
    return [
        *(text(LEFT - 4, y(value) + 4, points(value), "end", SOFT) for value in (0.0, *ends)),
        text(LEFT, BOTTOM + 15, shown(min(xs)).replace("%", " %"), fill=SOFT),
        text(RIGHT, BOTTOM + 15, shown(max(xs)).replace("%", " %"), "end", SOFT),
    ]


def _point(panel: AblationPanel, name: str) -> Markup:
    at, value = panel.points[name]
    tip = f"{panel.titles[name]}: {signed_points(value)} points at {at:.4g}"
    place = list(panel.titles).index(name), panel.x(at), panel.y(value)
    return Markup(
        '<circle data-d="{}" cx="{}" cy="{}" r="4" fill="{}" fill-opacity=".75"><title>{}</title></circle>'
    ).format(*place, ACCENT, tip)  # fmt: skip
