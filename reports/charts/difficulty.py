"""Accuracy and gain against difficulty as Vega-Lite specifications."""

from collections.abc import Mapping
from typing import Any

from reports._format import signed_points, value_text
from reports._symbols import Symbol
from reports.charts.vega import PANEL_TITLES, Spec, axis_encoding, entry_encodings, panel_chart, tooltip
from reports.views import AxisView, BoardView, PointView

TARGETS = {"value": "Accuracy, %", "gain": "Gain over zero-shot, points"}


def difficulty_rows(board: BoardView) -> list[dict[str, Any]]:
    """The data of all difficulty charts of a board: one row per point, and one per regression line."""
    rows = [_point_row(point, board) for point in board.points]
    for trend in board.trends:
        if trend.ends is not None:
            (x, y), (x2, y2) = trend.ends
            kind, entry = f"trend {trend.target} {trend.measure}", board.entry_name(trend.entry)
            row: dict[str, Any] = {"kind": kind, "entry": entry, "panel": PANEL_TITLES[trend.panel]}
            note = "" if trend.significant else ", not significant"
            row |= {"x": x, "x2": x2, "y": 100 * y, "y2": 100 * y2}
            rows.append(row | {"rho": f"{trend.rho:.2f} over {trend.n} datasets{note}"})
    return rows


def _point_row(point: PointView, board: BoardView) -> dict[str, Any]:
    mean, half = 100 * point.value.mean, point.value.half_width
    row: dict[str, Any] = {
        "kind": "point",
        "entry": board.entry_name(point.entry),
        "dataset": board.dataset_title(point.dataset),
        "panel": PANEL_TITLES[point.panel],
        "value": round(mean, 4),
        "shown": value_text(point.value),
        "n": point.value.n,
        "runs": " ".join(point.run_ids),
    }
    if half is not None:
        row |= {"value_low": round(mean - 100 * half, 4), "value_high": round(mean + 100 * half, 4)}
    if point.gain is not None and point.entry != board.baseline:
        gain = 100 * point.gain
        row |= {"gain": round(gain, 4), "gain_shown": signed_points(point.gain)}
        if half is not None:
            row |= {"gain_low": round(gain - 100 * half, 4), "gain_high": round(gain + 100 * half, 4)}
    for axis in board.axes:
        if axis.name in point.difficulty:
            row[axis.name] = float(f"{point.difficulty[axis.name]:.6g}")
    return row


def difficulty_chart(board: BoardView, axis: AxisView, target: str, symbols: Mapping[str, Symbol]) -> Spec:
    """A specification for the rows of `difficulty_rows`, with one panel per measure; `target` is a key of `TARGETS`."""
    drawn = {point.entry for point in board.points} - ({board.baseline} if target == "gain" else set())
    colour, shape = entry_encodings({entry.key: entry.name for entry in board.entries if entry.key in drawn}, symbols)
    title = axis.title + (" (log scale)" if axis.log else "")
    x = axis_encoding(axis.name, title, _x_scale(board, axis), {"tickCount": 5, "format": "~g", "grid": False})
    y = axis_encoding(target, TARGETS[target], {"domain": _y_domain(board, target), "nice": False})
    points = [{"filter": f"datum.kind === 'point' && isValid(datum['{target}']) && isValid(datum['{axis.name}'])"}]
    zero = {"mark": {"type": "rule", "strokeDash": [4, 3], "opacity": 0.6}, "encoding": {"y": {"datum": 0}}}
    line = {
        "transform": [{"filter": f"datum.kind === 'trend {target} {axis.name}'"}],
        "mark": {"type": "rule", "clip": True, "strokeCap": "round"},
        "encoding": {
            "x": x | {"field": "x"},
            "x2": {"field": "x2"},
            "y": y | {"field": "y"},
            "y2": {"field": "y2"},
            "color": colour,
            "opacity": _opacity(1, 0.4, 0.06),
            "strokeWidth": {"condition": {"test": _PICKED, "value": 2.5}, "value": 1.1},
            "tooltip": tooltip(entry="method", rho="Spearman's ρ"),
        },
    }
    interval = {
        "transform": [*points, {"filter": f"isValid(datum.{target}_low)"}],
        "mark": {"type": "rule", "clip": True, "strokeWidth": 1.2},
        "encoding": {
            "x": x,
            "y": y | {"field": f"{target}_low"},
            "y2": {"field": f"{target}_high"},
            "color": colour,
            "opacity": _opacity(0.9, 0.25, 0.04),
        },
    }
    hover = {"type": "point", "fields": ["entry"], "on": "pointerover", "clear": "pointerout"}
    titles = {"shown": "accuracy, %", "gain_shown": "gain over zero-shot"}
    marks = {
        "transform": points,
        "params": [
            {"name": "pick", "select": {"type": "point", "fields": ["entry"]}, "bind": "legend"},
            {"name": "hover", "select": hover},
        ],
        "mark": {"type": "point", "filled": True, "size": 76, "clip": True},
        "encoding": {
            "x": x,
            "y": y,
            "color": colour,
            "shape": shape,
            "opacity": _opacity(1, 0.85, 0.1),
            "tooltip": [
                *tooltip(entry="method", dataset="dataset", panel="classes", **titles),
                {"field": axis.name, "title": axis.title, "type": "quantitative", "format": ".4~g"},
                *tooltip(n="seeds", runs="runs"),
            ],
        },
    }
    what = "accuracy" if target == "value" else "gain over zero-shot"
    layers: list[Spec] = [*([zero] if target == "gain" else []), line, interval, marks]
    panels = [PANEL_TITLES[measure] for measure in board.measures]
    return panel_chart(f"{axis.title} of each dataset against each method's {what}", layers, panels=panels)


_PICKED = {"or": [{"param": "pick", "empty": False}, {"param": "hover", "empty": False}]}
_NOTHING_PICKED = {"and": [{"param": "pick"}, {"param": "hover"}]}  # an empty selection matches everything


def _opacity(picked: float, plain: float, others: float) -> Spec:
    """Of the picked entries, of all while none is picked, and of the others."""
    conditions = [{"test": _PICKED, "value": picked}, {"test": _NOTHING_PICKED, "value": plain}]
    return {"condition": conditions, "value": others}


def _x_scale(board: BoardView, axis: AxisView) -> dict[str, Any]:
    """The range of the data with a margin; by default a logarithmic axis extends to the next powers of ten."""
    values = [point.difficulty[axis.name] for point in board.points if axis.name in point.difficulty]
    if not axis.log or not values:
        return {"zero": False, "nice": False, "padding": 14}
    margin = max((max(values) / min(values)) ** 0.06, 1.05)
    return {"type": "log", "nice": False, "domain": [min(values) / margin, max(values) * margin]}


def _y_domain(board: BoardView, target: str) -> list[float]:
    """The range of the means with a margin; wide intervals over three seeds are clipped, so that differences show."""
    if target == "value":
        means = [100 * point.value.mean for point in board.points]
    else:
        means = [100 * point.gain for point in board.points if point.gain is not None]
    if not means:
        return [0, 100]
    margin = max(1.0, 0.06 * (max(means) - min(means)))
    low, high = min(means) - margin, max(means) + margin
    return [max(0.0, low), min(100.0, high)] if target == "value" else [low, high]
