"""Accuracy over training time."""

from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup

from bench.analysis import accuracy_over_time, percent
from reports._format import count, seconds
from reports.charts.drawing import CHANGING, DASHED, PLOT, curve, frame, group, mark, name, path, steps, svg
from reports.charts.names import place_names
from reports.charts.plot import linear_axis, log_axis
from reports.titles import score_title
from reports.views import BoardView

TIME_AXES = {
    "seconds": "Preparation and training time",
    "share": "Share of the training",
    "steps": "Optimiser steps",
}
"""Titles of the axes; the first is shown first."""
_TEXT: dict[str, Callable[[float], str]] = {
    "seconds": seconds,
    "share": lambda share: f"{percent(share, 0)} %",
    "steps": count,
}
_LEAST = 1e-3
"""Smallest place on a logarithmic axis."""
Points = Mapping[str, Sequence[tuple[float, float]]]
"""By entry, its places on the axis and accuracies in percent."""


def curves_svg(view: BoardView, times: accuracy_over_time.AccuracyOverTime, axis: str) -> Markup:
    """The curve of every entry against one of `TIME_AXES`; the dashed line is zero-shot."""
    points: Points = {
        one.entry: [(max(getattr(point, axis), _LEAST), 100 * point.value) for point in one.points]
        for one in times.curves
    }
    level = [] if times.baseline is None else [100 * times.baseline]
    x = log_axis([at for one in points.values() for at, _ in one], PLOT.left, PLOT.right)
    y = linear_axis([value for one in points.values() for _, value in one] + level, PLOT.bottom, PLOT.top)
    places = {key: [(x.at(at), y.at(value)) for at, value in one] for key, one in points.items()}
    names = {key: view.entry_name(key) for key in points}
    parts = {key: curve(steps(places[key])) + _marks(names[key], axis, points[key], places[key]) for key in points}
    ends = {key: one[-1] for key, one in places.items()}
    if level and (baseline := view.board.baseline):
        parts = {baseline: path(f"M{PLOT.left},{y.at(level[0])}H{PLOT.right}", "currentColor", DASHED)} | parts
        names[baseline], ends[baseline] = view.entry_name(baseline), (PLOT.right, y.at(level[0]))
    labels = place_names(ends, names, PLOT.ends, left=False)
    title, height = TIME_AXES[axis], score_title(view.board.measures[-1])
    found = [frame(PLOT, x, y, (f"{title} (log scale)", height), _TEXT[axis])]
    found += [group(key, CHANGING, part + name(labels, key, CHANGING)) for key, part in parts.items()]
    return svg(PLOT.width, PLOT.height, f"Accuracy against {title.lower()}", found, len(labels))


def _marks(
    title: str, axis: str, points: Sequence[tuple[float, float]], places: Sequence[tuple[float, float]]
) -> Markup:
    """The points of a curve with their numbers."""
    return Markup("").join(
        mark(*place, f"{title}: {value:.2f} % after {_TEXT[axis](at)}", small=True)
        for (at, value), place in zip(points, places, strict=True)
    )


def training_texts(times: accuracy_over_time.AccuracyOverTime) -> dict[str, str]:
    """By entry, the accuracies of its curve as a sentence."""
    found = {}
    for one in times.curves:
        known = [f"{percent(point.value, 1)} % after {_TEXT['share'](point.share)}" for point in one.points]
        found[one.entry] = f"Accuracy during training: {', '.join(known)}."
    return found
