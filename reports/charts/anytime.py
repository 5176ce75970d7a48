"""Accuracy over training time: one stepped line for each method, named at its end."""

from collections.abc import Callable

from markupsafe import Markup

from bench.analysis import AnytimePoint, percent
from reports._format import count, seconds
from reports.charts.plot import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    chart_svg,
    disc,
    frame,
    linear_axis,
    log_axis,
    names_at_right,
    step_path,
)
from reports.views import BoardView

TIME_AXES: dict[str, tuple[str, Callable[[float], str]]] = {
    "seconds": ("Preparation and training time", seconds),
    "steps": ("Optimiser steps", lambda steps: count(round(steps))),
    "share": ("Share of the training", lambda share: f"{percent(share, 0)} %"),
}
"""Title and number format of each axis."""
MOST_CURVE_NAMES = 19
"""Largest number of names beside the chart; the others are in the tooltips."""


def anytime_svg(board: BoardView, axis: str) -> Markup:
    """The mean accuracy of every method over one of `TIME_AXES`; the best at the end is coloured."""
    assert board.over_time is not None
    title, text = TIME_AXES[axis]
    curves = sorted(board.over_time.curves, key=lambda curve: curve.points[-1].value)
    values = [100 * point.value for curve in curves for point in curve.points]
    baseline = board.over_time.baseline
    x = log_axis([max(_along(point, axis), 1e-3) for curve in curves for point in curve.points], LEFT, RIGHT)
    y = linear_axis(values if baseline is None else [*values, 100 * baseline], BOTTOM, TOP)
    parts = [frame(x, y, f"{title} (log scale)", "Accuracy, %", text)]
    if baseline is not None:
        parts.append(f'<path class="front" d="M{LEFT},{y.at(100 * baseline)}H{RIGHT}"/>')
    for curve in curves:
        name, side = board.entry_name(curve.entry), "a" if curve is curves[-1] else "other"
        places = [(x.at(max(_along(point, axis), 1e-3)), y.at(100 * point.value)) for point in curve.points]
        parts.append(step_path(places, f"curve {side}"))
        for place, point in zip(places, curve.points, strict=True):
            tip = f"{name}: {percent(point.value)} % after {text(_along(point, axis))}"
            parts.append(disc(place, side, 3.5, tip))
    ends = []
    for curve in curves[-MOST_CURVE_NAMES:]:
        last, side = curve.points[-1], "name lead" if curve is curves[-1] else "name"
        place = y.at(100 * last.value), x.at(max(_along(last, axis), 1e-3))
        ends.append((*place, board.entry_name(curve.entry), side))
    parts.append(names_at_right(ends))
    return chart_svg(f"Accuracy of {len(curves)} methods over {title.lower()}", *parts)


def _along(point: AnytimePoint, axis: str) -> float:
    return float(getattr(point, axis))
