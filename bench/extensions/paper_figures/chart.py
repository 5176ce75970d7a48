"""A figure of a paper as a Vega-Lite chart, one panel per dataset."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from bench.extensions.paper_figures.figure import FigurePoint, PaperFigure
from reports import shorten

SERIES_COLOURS = ("#0f7ac0", "#d95f02", "#12926b", "#c76aa5", "#c99400", "#52a9e0", "#9a6a3c", "#7a7f87")
"""Okabe and Ito's palette at medium lightness, visible on white and on near-black."""
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")
_COLUMNS, _WIDE, _NARROW, _HEIGHT = 3, 620, 250, 190
"""Panels in a row, width of a panel alone and in a grid, and its height, in px."""
_NAME_LENGTH = 30
_INK = "#1a1e24"


def figure_specification(figure: PaperFigure) -> dict[str, Any]:
    """The figure with its numbers: intervals as lines, printed values as open marks.

    Example:
        >>> point = FigurePoint("DTD", "CoOp", 16.0, 63.6, 62.8, 64.4, 3, ("a",))
        >>> found = figure_specification(PaperFigure("f", "F", "Fig. 1", "", "line", (point,)))
        >>> found["concat"][0]["data"]["values"][0]["y"]
        63.6
    """
    shared = None if figure.own_y else _ends((*figure.points, *figure.printed), figure)
    lines = {"gridColor": _INK, "gridOpacity": 0.12, "domainColor": _INK, "domainOpacity": 0.4, "tickColor": _INK}
    return {
        "description": f"{figure.title} ({figure.source})",
        "columns": _COLUMNS,
        "concat": [_panel(figure, name, shared) for name in figure.panels],
        "background": None,
        "config": {
            "aria": False,
            "font": "system-ui, Helvetica, Arial, sans-serif",
            "axis": lines | {"labelColor": _INK, "titleColor": _INK, "titleFontWeight": "normal"},
            "axisX": {"grid": False},
            "legend": {"labelColor": _INK, "orient": "bottom", "columns": 4, "labelLimit": 180, "symbolOpacity": 1},
            "text": {"fill": _INK},
            "title": {"color": _INK, "anchor": "start", "fontSize": 12, "fontWeight": 600},
            "view": {"stroke": None},
        },
    }


def _panel(figure: PaperFigure, name: str, shared: tuple[float, float] | None) -> dict[str, Any]:
    ours, printed = ([p for p in points if p.panel == name] for points in (figure.points, figure.printed))
    low, high = shared or _ends((*ours, *printed), figure)
    rows = [_row(figure, point, "ours", low, high) for point in ours]
    first = {row["series"]: row for row in sorted(rows, key=lambda row: -figure.x_values.index(row["x"]))}
    for series, row in first.items() if figure.labelled else ():
        row["name"] = shorten(series, _NAME_LENGTH)
    rows += [_row(figure, point, "printed", low, high) for point in printed]
    return {
        "title": name,
        "width": _WIDE if len(figure.panels) == 1 else _NARROW,
        "height": _HEIGHT,
        "data": {"values": rows},
        "layer": _layers(figure, low, high),
    }


def _row(figure: PaperFigure, point: FigurePoint, kind: str, low: float, high: float) -> dict[str, Any]:
    """A point with its interval, the part of it that the panel shows, and the ends beyond the panel."""
    row = {"series": point.series, "x": point.x, "y": point.y, "seeds": point.n, "kind": kind}
    if (ends := figure.interval(point)) is None:
        return row
    beyond = ({"under": low} if ends[0] < low else {}) | ({"over": high} if ends[1] > high else {})
    return row | {"low": ends[0], "high": ends[1], "from": max(ends[0], low), "to": min(ends[1], high)} | beyond


def _layers(figure: PaperFigure, low: float, high: float) -> list[dict[str, Any]]:
    x: dict[str, Any] = {"field": "x", "title": figure.x_title or None, "type": "quantitative"}
    if figure.order:
        scale: dict[str, Any] = {"domain": list(figure.x_values)}
        x |= {"type": "nominal", "sort": None, "axis": {"labelAngle": -40, "labelLimit": 110}, "scale": scale}
    else:
        scale = {"type": "log" if figure.x_log else "linear", "zero": False, "nice": False, "padding": 10}
        x["scale"] = scale | {"domain": [figure.x_values[0], figure.x_values[-1]]}
        x["axis"] = (
            {"values": list(figure.x_values)} if figure.x_log and len(figure.x_values) <= 8 else {"tickCount": 6}
        )
    y = {"type": "quantitative", "title": figure.y_title, "axis": {"tickCount": 5}}
    y["scale"] = {"domain": [low, high], "zero": False, "nice": False}

    numbers = range(len(figure.series))
    colours = [SERIES_COLOURS[n % len(SERIES_COLOURS)] for n in numbers]
    shapes = [_SHAPES[(n + n // len(_SHAPES)) % len(_SHAPES)] for n in numbers]
    told_apart = figure.labelled or len(figure.series) < 2 or set(figure.series) == set(figure.panels)
    series: dict[str, Any] = {"field": "series", "type": "nominal", "title": None, "sort": None}
    series["legend"] = None if told_apart else {}
    colour = series | {"scale": {"domain": list(figure.series), "range": colours}}
    shape = series | {"scale": {"domain": list(figure.series), "range": shapes}}

    def layer(mark: dict[str, Any], field: str, kind: str, **more: Any) -> dict[str, Any]:
        rows = [{"filter": f"datum.kind == '{kind}' && isValid(datum.{field})"}]
        return {
            "mark": mark,
            "transform": rows,
            "encoding": {"x": x, "y": y | {"field": field}, "color": colour} | more,
        }

    head = {"type": "point", "filled": True, "size": 30, "opacity": 0.6}
    found = [
        layer({"type": "rule", "opacity": 0.6, "strokeWidth": 1.2}, "from", "ours", y2={"field": "to"}),
        layer(head | {"shape": "triangle-up"}, "over", "ours"),
        layer(head | {"shape": "triangle-down"}, "under", "ours"),
        layer({"type": "point", "filled": True, "size": 50, "opacity": 1}, "y", "ours", shape=shape),
        layer({"type": "point", "size": 110, "opacity": 1}, "y", "printed", shape=shape),
    ]
    if figure.kind == "line":
        found.insert(0, layer({"type": "line", "strokeWidth": 1.5}, "y", "ours"))
    if figure.labelled:
        names = {"mark": {"type": "text", "angle": -30, "align": "left", "dx": 6, "dy": -4}}
        rows = [{"filter": "isValid(datum.name)"}]
        found.append(
            names | {"transform": rows, "encoding": {"x": x, "y": y | {"field": "y"}, "text": {"field": "name"}}}
        )
    return found


def _ends(points: Sequence[FigurePoint], figure: PaperFigure) -> tuple[float, float]:
    """Ends of the y axis: all values with their intervals, but the longest intervals do not set the scale.

    The axis ends at most as far from the values as they are apart, or as the median interval reaches.
    """
    values = [point.y for point in points]
    bars = [(point.y, *ends) for point in points if (ends := figure.interval(point)) is not None]
    lowest, highest = least, most = min(values), max(values)
    if bars:
        room = max(most - least, median(max(y - low, high - y) for y, low, high in bars))
        lowest = min(least, max(min(low for _, low, _ in bars), least - room))
        highest = max(most, min(max(high for _, _, high in bars), most + room))
    pad = 0.06 * (highest - lowest) or 0.01 * (abs(highest) or 1.0)
    return lowest - pad, highest + pad
