"""Accuracy against cost, with the Pareto front."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from reports._format import count, few_runs, percent, seconds, size, value_text
from reports._symbols import Symbol
from reports.charts.difficulty import HEIGHT, PANEL_TITLES, STATIC_WIDTH
from reports.charts.vega import CONFIG, PANELS, SCHEMA
from reports.views import BoardView

COST_AXES = {
    "parameters": "Trainable parameters",
    "train_seconds": "Preparation and training, seconds",
    "passes": "Encoder passes: images and texts",
    "peak_memory": "Peak memory, MiB",
}
_SMALLEST = {"parameters": 100.0, "train_seconds": 0.1, "passes": 10.0, "peak_memory": 1.0}
"""Where the logarithmic axis goes over to a linear one, so that it can show 0."""
_SCALED = {"peak_memory": 2.0**20}
_TICK = "datum.value === 0 ? '0' : format(datum.value, '~s')"
_TEXT = {"parameters": count, "train_seconds": seconds, "passes": count, "peak_memory": size}


def cost_text(axis: str, cost: float) -> str:
    """A cost in the unit that its size asks for."""
    return _TEXT[axis](cost)


def cost_rows(board: BoardView) -> list[dict[str, Any]]:
    """One row per entry, and for each axis the corners of its front from cheap to dear."""
    names = {entry.key: entry.name for entry in board.entries}
    panel = PANEL_TITLES[board.measures[-1]]
    rows: list[dict[str, Any]] = []
    for point in board.costs:
        row: dict[str, Any] = {
            "kind": "point",
            "entry": names[point.entry],
            "panel": panel,
            "y": round(100 * point.value.mean, 4),
            "shown": value_text(point.value),
            "n": point.value.n,
            "complete": bool(point.front),
            "runs": few_runs(point.run_ids),
        }
        for axis in COST_AXES:
            row[axis] = point.costs[axis] / _SCALED.get(axis, 1.0)
            row[f"{axis}_shown"] = cost_text(axis, point.costs[axis])
            row[f"{axis}_front"] = front_text(point.front.get(axis), point.probability.get(axis), spread=point.spread)
        rows.append(row)
    for axis in COST_AXES:
        corners = sorted(
            (point.costs[axis] / _SCALED.get(axis, 1.0), round(100 * point.value.mean, 4))
            for point in board.costs
            if point.front.get(axis)
        )
        rows += [{"kind": f"front {axis}", "panel": panel, "x": x, "y": y} for x, y in corners]
    return rows


def front_text(on_front: bool | None, probability: float | None, *, spread: bool) -> str:
    """Whether an entry is on the front, and how surely, in a few words."""
    if on_front is None or probability is None:
        return "not compared: runs are missing"
    place = "on the front" if on_front else "off the front"
    return f"{place}, probability {percent(probability, 0)} %" if spread else f"{place}; one seed, no probability"


def _ticks(board: BoardView, axis: str) -> list[float]:
    """0 and the powers of ten up to the largest cost; a symmetric logarithm has no ticks of its own between them."""
    largest = max(point.costs[axis] / _SCALED.get(axis, 1.0) for point in board.costs)
    first = round(math.log10(_SMALLEST[axis]))
    last = max(first, math.ceil(math.log10(max(largest, _SMALLEST[axis]))))
    return [0.0, *(10.0**power for power in range(first, last + 1))]


def cost_chart(board: BoardView, axis: str, symbols: Mapping[str, Symbol]) -> dict[str, Any]:
    """A specification; its data is the named source `rows` of `cost_rows`."""
    shown = {point.entry for point in board.costs}
    entries = [entry for entry in board.entries if entry.key in shown]
    domain = [entry.name for entry in entries]
    legend = {"title": None, "orient": "bottom", "symbolSize": 90, "labelLimit": 260}
    entry = {"field": "entry", "type": "nominal", "legend": legend}
    colours = {"domain": domain, "range": [symbols[item.key].colour for item in entries]}
    shapes = {"domain": domain, "range": [symbols[item.key].shape for item in entries]}
    scale = {"type": "symlog", "constant": _SMALLEST[axis], "nice": False, "padding": 14}
    ticks = {"values": _ticks(board, axis), "labelExpr": _TICK, "grid": False, "labelOverlap": True}
    x = {"field": axis, "type": "quantitative", "title": COST_AXES[axis], "scale": scale, "axis": ticks}
    y = {"field": "y", "type": "quantitative", "title": "Accuracy, %", "scale": {"zero": False, "padding": 14}}
    front = {
        "transform": [{"filter": f"datum.kind === 'front {axis}'"}],
        "mark": {
            "type": "line",
            "interpolate": "step-after",
            "strokeDash": [5, 4],
            "opacity": 0.55,
            "color": "currentColor",
        },
        "encoding": {"x": x | {"field": "x"}, "y": y, "order": {"field": "x", "type": "quantitative"}},
    }
    points = {
        "transform": [{"filter": "datum.kind === 'point'"}],
        "mark": {"type": "point", "filled": True, "size": 110},
        "encoding": {
            "x": x,
            "y": y,
            "color": entry | {"scale": colours},
            "shape": entry | {"scale": shapes},
            "opacity": {"condition": {"test": "datum.complete", "value": 1}, "value": 0.35},
            "tooltip": [
                {"field": "entry", "title": "method"},
                {"field": "shown", "title": "accuracy, %"},
                {"field": f"{axis}_shown", "title": COST_AXES[axis]},
                {"field": f"{axis}_front", "title": "Pareto"},
                {"field": "n", "title": "seeds"},
                {"field": "runs", "title": "runs"},
            ],
        },
    }
    return {
        "$schema": SCHEMA,
        "description": f"{COST_AXES[axis]} of each method against its accuracy, with the Pareto front",
        "data": {"name": "rows"},
        "facet": PANELS,
        "columns": 1,
        "spacing": 18,
        "spec": {"width": 2 * STATIC_WIDTH, "height": HEIGHT, "layer": [front, points]},
        "config": CONFIG,
    }
