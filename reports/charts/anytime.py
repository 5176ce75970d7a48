"""Accuracy over training time: one stepped line for each method."""

from collections.abc import Mapping
from typing import Any

from reports._format import count, few_runs, percent, seconds
from reports._symbols import Symbol
from reports.charts.vega import INK, PANEL_TITLES, Spec, axis_encoding, entry_encodings, panel_chart, tooltip
from reports.views import BoardView

TIME_AXES = {
    "seconds": "Preparation and training, seconds",
    "steps": "Optimiser steps",
    "share": "Share of the training, %",
}


def anytime_rows(board: BoardView) -> list[dict[str, Any]]:
    """One row per entry and recorded point, and one for the zero-shot model."""
    assert board.anytime is not None
    panel = PANEL_TITLES[board.measures[-1]]
    rows: list[dict[str, Any]] = [
        {
            "kind": "point",
            "entry": board.entry_name(curve.entry),
            "panel": panel,
            "y": round(100 * point.value, 4),
            "shown": percent(point.value),
            "seconds": round(point.seconds, 4),
            "seconds_shown": seconds(point.seconds),
            "steps": round(point.steps, 2),
            "steps_shown": count(round(point.steps)),
            "share": round(100 * point.share, 3),
            "runs": few_runs(curve.run_ids),
        }
        for curve in board.anytime.curves
        for point in curve.points
    ]
    if board.anytime.baseline is not None:
        rows.append({"kind": "baseline", "panel": panel, "y": round(100 * board.anytime.baseline, 4)})
    return rows


def anytime_chart(board: BoardView, axis: str, symbols: Mapping[str, Symbol]) -> Spec:
    """A specification for the rows of `anytime_rows`."""
    assert board.anytime is not None
    names = {curve.entry: board.entry_name(curve.entry) for curve in board.anytime.curves}
    colour, shape = entry_encodings(names, symbols)
    ticks = {"tickCount": 6, "format": "~s" if axis == "steps" else "~g", "grid": False, "labelOverlap": True}
    x = axis_encoding(axis, TIME_AXES[axis], {"type": "log", "nice": False, "padding": 14}, ticks)
    y = axis_encoding("y", "Accuracy, %", {"zero": False, "padding": 14})
    points = [{"filter": "datum.kind === 'point'"}]
    layers = [
        {
            "transform": [{"filter": "datum.kind === 'baseline'"}],
            "mark": {"type": "rule", "strokeDash": [5, 4], "opacity": 0.55, "color": INK},
            "encoding": {"y": y},
        },
        {
            "transform": points,
            "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 1.5, "opacity": 0.8},
            "encoding": {"x": x, "y": y, "color": colour},
        },
        {
            "transform": points,
            "mark": {"type": "point", "filled": True, "size": 60},
            "encoding": {"x": x, "y": y, "color": colour, "shape": shape, "tooltip": _TOOLTIP},
        },
    ]
    return panel_chart(f"Each method's accuracy over {TIME_AXES[axis].lower()}", layers)


_TIMES = {"seconds_shown": "seconds", "steps_shown": "steps", "share": "share of the training, %"}
_TOOLTIP = tooltip(entry="method", shown="accuracy, %", **_TIMES, runs="runs")
