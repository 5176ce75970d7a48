"""Accuracy against cost, with the Pareto front, and accuracy over training time."""

from collections.abc import Callable

from markupsafe import Markup, escape

from bench.analysis import AnytimePoint, CostPoint, percent
from reports._format import count, seconds, shorten, size, value_text
from reports.charts.plot import (
    BOTTOM,
    LEFT,
    NAME_GAP,
    NAME_LENGTH,
    RIGHT,
    TOP,
    chart_svg,
    disc,
    frame,
    linear_axis,
    log_axis,
    names_at_right,
    spread,
    step_path,
)
from reports.views import BoardView

COST_AXES = {
    "train_seconds": "Preparation and training time",
    "test_seconds": "Preparation and evaluation time",
    "parameters": "Trainable parameters",
    "passes": "Tower passes: images and texts",
    "memory": "Peak memory above the start",
}
"""Titles of the axes. The first axis with a value for every entry is shown first."""
_SMALLEST = {"parameters": 100.0, "train_seconds": 0.1, "test_seconds": 0.1, "passes": 10.0, "memory": 2.0**20}
"""Below this value the logarithmic axis is linear, so that it can show 0."""
_TEXT = {"parameters": count, "train_seconds": seconds, "test_seconds": seconds, "passes": count, "memory": size}


def cost_text(axis: str, cost: float) -> str:
    """A cost with the unit that fits its size."""
    return _TEXT[axis](cost)


def cost_axes(board: BoardView) -> list[str]:
    """The axes with a value for every entry; memory is not measured on all systems."""
    return [axis for axis in COST_AXES if board.costs and all(axis in point.costs for point in board.costs)]


def front_text(on_front: bool | None, probability: float | None, *, spread: bool) -> str:
    """States whether an entry is on the Pareto front, and the probability."""
    if on_front is None or probability is None:
        return "not compared: missing runs or selected on test labels"
    place = "on the front" if on_front else "off the front"
    return f"{place}, probability {percent(probability, 0)} %" if spread else f"{place}; one seed, no probability"


def cost_svg(board: BoardView, axis: str) -> Markup:
    """Every method's accuracy against its cost on one of `cost_axes`, the Pareto front and the names on it."""
    x = log_axis([point.costs[axis] for point in board.costs], LEFT, RIGHT, constant=_SMALLEST[axis])
    y = linear_axis([100 * point.value.mean for point in board.costs], BOTTOM, TOP)
    places = {point.entry: (x.at(point.costs[axis]), y.at(100 * point.value.mean)) for point in board.costs}
    order = sorted(board.costs, key=lambda point: (bool(point.front.get(axis)), places[point.entry]))
    front = [point for point in order if point.front.get(axis)]
    parts = [frame(x, y, COST_AXES[axis], "Accuracy, %", lambda value: cost_text(axis, value))]
    parts.append(step_path([places[point.entry] for point in front], "front"))
    for point in order:
        kind = "a" if point.front.get(axis) else "other" if point.front else "other hollow"
        parts.append(disc(places[point.entry], kind, 5, _tip(board, point, axis)))
    parts.append(_names([(*places[point.entry], board.entry_name(point.entry)) for point in front]))
    return chart_svg(f"Accuracy of {len(board.costs)} methods against {COST_AXES[axis].lower()}", *parts)


def _names(front: list[tuple[float, float, str]]) -> str:
    """The names of points on the front, each to the right of its point, without overlap of two names."""
    falling = sorted(front, key=lambda item: item[1])
    heights = spread([y for _, y, _ in falling], NAME_GAP, TOP - 14, BOTTOM)
    return "".join(
        f'<text class="name" x="{x + 10}" y="{at + 4}"><title>{escape(name)}</title>'
        f"{escape(shorten(name, NAME_LENGTH))}</text>"
        for (x, _, name), at in zip(falling, heights, strict=True)
    )


def _tip(board: BoardView, point: CostPoint, axis: str) -> str:
    pareto = front_text(point.front.get(axis), point.probability.get(axis), spread=point.spread)
    return (
        f"{board.entry_name(point.entry)}: {value_text(point.value)} % with {cost_text(axis, point.costs[axis])}. "
        f"Pareto: {pareto}."
    )


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
