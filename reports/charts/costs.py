"""Accuracy against cost, with the Pareto front."""

import math
from collections.abc import Mapping
from typing import Any

from reports._format import count, few_runs, percent, seconds, size, value_text
from reports._symbols import Symbol
from reports.charts.vega import INK, PANEL_TITLES, Spec, axis_encoding, entry_encodings, panel_chart, tooltip
from reports.views import BoardView

COST_AXES = {
    "parameters": "Trainable parameters",
    "train_seconds": "Preparation and training, seconds",
    "passes": "Encoder passes: images and texts",
    "memory": "Peak memory above the start, MiB",
}
_SMALLEST = {"parameters": 100.0, "train_seconds": 0.1, "passes": 10.0, "memory": 1.0}
"""Below this value the logarithmic axis is linear, so that it can show 0."""
_SCALED = {"memory": 2.0**20}
_TICK = "datum.value === 0 ? '0' : format(datum.value, '~s')"
_TEXT = {"parameters": count, "train_seconds": seconds, "passes": count, "memory": size}


def cost_text(axis: str, cost: float) -> str:
    """A cost with the unit that fits its size."""
    return _TEXT[axis](cost)


def cost_axes(board: BoardView) -> list[str]:
    """The axes of which every entry has a value; memory is not measured everywhere."""
    return [axis for axis in COST_AXES if all(axis in point.costs for point in board.costs)]


def cost_rows(board: BoardView) -> list[dict[str, Any]]:
    """One row per entry, and for each axis the corners of its Pareto front by rising cost."""
    panel = PANEL_TITLES[board.measures[-1]]
    rows: list[dict[str, Any]] = []
    for point in board.costs:
        row: dict[str, Any] = {
            "kind": "point",
            "entry": board.entry_name(point.entry),
            "panel": panel,
            "y": round(100 * point.value.mean, 4),
            "shown": value_text(point.value),
            "n": point.value.n,
            "complete": bool(point.front),
            "runs": few_runs(point.run_ids),
        }
        for axis in cost_axes(board):
            row[axis] = point.costs[axis] / _SCALED.get(axis, 1.0)
            row[f"{axis}_shown"] = cost_text(axis, point.costs[axis])
            row[f"{axis}_front"] = front_text(point.front.get(axis), point.probability.get(axis), spread=point.spread)
        rows.append(row)
    for axis in cost_axes(board):
        corners = sorted(
            (point.costs[axis] / _SCALED.get(axis, 1.0), round(100 * point.value.mean, 4))
            for point in board.costs
            if point.front.get(axis)
        )
        rows += [{"kind": f"front {axis}", "panel": panel, "x": x, "y": y} for x, y in corners]
    return rows


def front_text(on_front: bool | None, probability: float | None, *, spread: bool) -> str:
    """Whether an entry is on the Pareto front, and with what probability."""
    if on_front is None or probability is None:
        return "not compared: missing runs or selected on test labels"
    place = "on the front" if on_front else "off the front"
    return f"{place}, probability {percent(probability, 0)} %" if spread else f"{place}; one seed, no probability"


def _ticks(board: BoardView, axis: str) -> list[float]:
    """0 and the powers of ten up to the largest cost; Vega's symmetric logarithm has no ticks between them."""
    largest = max(point.costs[axis] / _SCALED.get(axis, 1.0) for point in board.costs)
    first = round(math.log10(_SMALLEST[axis]))
    last = max(first, math.ceil(math.log10(max(largest, _SMALLEST[axis]))))
    return [0.0, *(10.0**power for power in range(first, last + 1))]


def cost_chart(board: BoardView, axis: str, symbols: Mapping[str, Symbol]) -> Spec:
    """A specification for the rows of `cost_rows`."""
    shown = {point.entry for point in board.costs}
    colour, shape = entry_encodings({entry.key: entry.name for entry in board.entries if entry.key in shown}, symbols)
    scale = {"type": "symlog", "constant": _SMALLEST[axis], "nice": False, "padding": 14}
    ticks = {"values": _ticks(board, axis), "labelExpr": _TICK, "grid": False, "labelOverlap": True}
    x = axis_encoding(axis, COST_AXES[axis], scale, ticks)
    y = axis_encoding("y", "Accuracy, %", {"zero": False, "padding": 14})
    line = {"type": "line", "interpolate": "step-after", "strokeDash": [5, 4], "opacity": 0.55, "color": INK}
    front = {
        "transform": [{"filter": f"datum.kind === 'front {axis}'"}],
        "mark": line,
        "encoding": {"x": x | {"field": "x"}, "y": y, "order": {"field": "x", "type": "quantitative"}},
    }
    shown_as = {f"{axis}_shown": COST_AXES[axis], f"{axis}_front": "Pareto"}
    points = {
        "transform": [{"filter": "datum.kind === 'point'"}],
        "mark": {"type": "point", "filled": True, "size": 110},
        "encoding": {
            "x": x,
            "y": y,
            "color": colour,
            "shape": shape,
            "opacity": {"condition": {"test": "datum.complete", "value": 1}, "value": 0.35},
            "tooltip": tooltip(entry="method", shown="accuracy, %", **shown_as, n="seeds", runs="runs"),
        },
    }
    return panel_chart(f"{COST_AXES[axis]} of each method against its accuracy, with the Pareto front", [front, points])
