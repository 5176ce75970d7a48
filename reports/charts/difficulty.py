"""Accuracy and gain against difficulty as Vega-Lite specifications (plain dicts)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports._format import points_of_percent, value_text
from reports._symbols import Symbol
from reports.charts.vega import CONFIG, PANELS, SCHEMA
from reports.views import AxisView, BoardView, PointView

STATIC_WIDTH = 300
HEIGHT = 300
PANEL_TITLES = {"base": "Base classes", "new": "New classes", "H": "Harmonic mean H", "all": "All classes"}
TARGETS = {"value": "Accuracy, %", "gain": "Gain over zero-shot, points"}


def difficulty_rows(board: BoardView) -> list[dict[str, Any]]:
    """The data of all difficulty charts of a board: one row per point, and one per trend line."""
    names = {entry.key: entry.name for entry in board.entries}
    rows = [_point_row(point, names[point.entry], board.dataset_title(point.dataset), board) for point in board.points]
    for trend in board.trends:
        if trend.ends is None:
            continue
        (x, y), (x2, y2) = trend.ends
        claim = "" if trend.beyond_chance else ", not claimed as significant"
        rows.append(
            {
                "kind": f"trend {trend.target} {trend.measure}",
                "entry": names[trend.entry],
                "panel": PANEL_TITLES[trend.panel],
                "x": x,
                "x2": x2,
                "y": 100 * y,
                "y2": 100 * y2,
                "rho": f"{trend.rho:.2f} over {trend.n} datasets{claim}",
            }
        )
    return rows


def _point_row(point: PointView, name: str, dataset: str, board: BoardView) -> dict[str, Any]:
    mean, half = 100 * point.value.mean, point.value.half_width
    row: dict[str, Any] = {
        "kind": "point",
        "entry": name,
        "dataset": dataset,
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
        row |= {"gain": round(gain, 4), "gain_shown": points_of_percent(point.gain)}
        if half is not None:
            row |= {"gain_low": round(gain - 100 * half, 4), "gain_high": round(gain + 100 * half, 4)}
    for axis in board.axes:
        if axis.name in point.difficulty:
            row[axis.name] = float(f"{point.difficulty[axis.name]:.6g}")
    return row


def difficulty_chart(
    board: BoardView, axis: AxisView, target: str, symbols: Mapping[str, Symbol], *, description: str
) -> dict[str, Any]:
    """A specification with one panel per measure; its data is the named source `rows`.

    Args:
        board: what is drawn.
        axis: the difficulty measure on x.
        target: `value` (accuracy) or `gain` (over the zero-shot baseline).
        symbols: by entry key.
        description: read out by screen readers.
    """
    entries = [entry for entry in board.entries if any(point.entry == entry.key for point in board.points)]
    if target == "gain":
        entries = [entry for entry in entries if entry.key != board.baseline]
    domain = [entry.name for entry in entries]
    encode_entry = {
        "field": "entry",
        "type": "nominal",
        "legend": {"title": None, "orient": "bottom", "symbolSize": 90, "labelLimit": 260},
    }
    colour = encode_entry | {"scale": {"domain": domain, "range": [symbols[entry.key].colour for entry in entries]}}
    shape = encode_entry | {"scale": {"domain": domain, "range": [symbols[entry.key].shape for entry in entries]}}
    x = {
        "field": axis.name,
        "type": "quantitative",
        "title": axis.title + (" (log scale)" if axis.log else ""),
        "scale": _x_scale(board, axis),
        "axis": {"tickCount": 5, "format": "~g", "grid": False},
    }
    y = {
        "field": target,
        "type": "quantitative",
        "title": TARGETS[target],
        "scale": {"domain": _y_domain(board, target), "nice": False},
    }
    picked = {"or": [{"param": "pick", "empty": False}, {"param": "hover", "empty": False}]}
    unchosen = {"and": [{"param": "pick"}, {"param": "hover"}]}  # an empty selection counts as all
    tooltip = [
        {"field": "entry", "title": "method"},
        {"field": "dataset", "title": "dataset"},
        {"field": "panel", "title": "classes"},
        {"field": "shown", "title": "accuracy, %"},
        {"field": "gain_shown", "title": "gain over zero-shot"},
        {"field": axis.name, "title": axis.title, "type": "quantitative", "format": ".4~g"},
        {"field": "n", "title": "seeds"},
        {"field": "runs", "title": "runs"},
    ]
    points = [{"filter": "datum.kind === 'point'"}, {"filter": f"isValid(datum['{target}'])"}]
    points.append({"filter": f"isValid(datum['{axis.name}'])"})
    layers: list[dict[str, Any]] = []
    if target == "gain":
        layers.append({"mark": {"type": "rule", "strokeDash": [4, 3], "opacity": 0.6}, "encoding": {"y": {"datum": 0}}})
    layers.append(
        {
            "transform": [{"filter": f"datum.kind === 'trend {target} {axis.name}'"}],
            "mark": {"type": "rule", "clip": True, "strokeCap": "round"},
            "encoding": {
                "x": x | {"field": "x"},
                "x2": {"field": "x2"},
                "y": y | {"field": "y"},
                "y2": {"field": "y2"},
                "color": colour,
                "opacity": {
                    "condition": [{"test": picked, "value": 1}, {"test": unchosen, "value": 0.4}],
                    "value": 0.06,
                },
                "strokeWidth": {"condition": {"test": picked, "value": 2.5}, "value": 1.1},
                "tooltip": [
                    {"field": "entry", "title": "method"},
                    {"field": "rho", "title": "Spearman's ρ"},
                ],
            },
        }
    )
    layers.append(
        {
            "transform": [*points, {"filter": f"isValid(datum.{target}_low)"}],
            "mark": {"type": "rule", "clip": True, "strokeWidth": 1.2},
            "encoding": {
                "x": x,
                "y": y | {"field": f"{target}_low"},
                "y2": {"field": f"{target}_high"},
                "color": colour,
                "opacity": {
                    "condition": [{"test": picked, "value": 0.9}, {"test": unchosen, "value": 0.25}],
                    "value": 0.04,
                },
            },
        }
    )
    layers.append(
        {
            "transform": points,
            "params": [
                {"name": "pick", "select": {"type": "point", "fields": ["entry"]}, "bind": "legend"},
                {
                    "name": "hover",
                    "select": {"type": "point", "fields": ["entry"], "on": "pointerover", "clear": "pointerout"},
                },
            ],
            "mark": {"type": "point", "filled": True, "size": 76, "clip": True},
            "encoding": {
                "x": x,
                "y": y,
                "color": colour,
                "shape": shape,
                "opacity": {
                    "condition": [{"test": picked, "value": 1}, {"test": unchosen, "value": 0.85}],
                    "value": 0.1,
                },
                "tooltip": tooltip,
            },
        }
    )
    return {
        "$schema": SCHEMA,
        "description": description,
        "data": {"name": "rows"},
        "facet": PANELS | {"sort": [PANEL_TITLES[measure] for measure in board.measures]},
        "columns": len(board.measures),
        "spacing": 18,
        "spec": {"width": STATIC_WIDTH, "height": HEIGHT, "layer": layers},
        "config": CONFIG,
    }


def _x_scale(board: BoardView, axis: AxisView) -> dict[str, Any]:
    """The data and a margin; a logarithmic axis would else run on to the next powers of ten."""
    values = [point.difficulty[axis.name] for point in board.points if axis.name in point.difficulty]
    if not axis.log or not values:
        return {"zero": False, "nice": False, "padding": 14}
    margin = max((max(values) / min(values)) ** 0.06, 1.05)
    return {"type": "log", "nice": False, "domain": [min(values) / margin, max(values) * margin]}


def _y_domain(board: BoardView, target: str) -> list[float]:
    """All means with a small margin; the wide intervals of three seeds are clipped, or they would flatten it all."""
    if target == "value":
        means = [100 * point.value.mean for point in board.points]
    else:
        means = [100 * point.gain for point in board.points if point.gain is not None]
    if not means:
        return [0, 100]
    margin = max(1.0, 0.06 * (max(means) - min(means)))
    low, high = min(means) - margin, max(means) + margin
    return [max(0.0, low), min(100.0, high)] if target == "value" else [low, high]
