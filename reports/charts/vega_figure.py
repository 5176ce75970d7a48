"""A figure of a paper as a Vega-Lite specification, which authors can edit and draw again."""

from __future__ import annotations

from typing import Any

from bench.papers import FigurePoint, PaperFigure

SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
COLUMNS = 3
"""Panels in a row."""


def figure_specification(figure: PaperFigure, colours: tuple[str, ...]) -> dict[str, Any]:
    """The figure with its numbers: one panel per dataset, intervals as rules, printed values as open marks.

    Args:
        colours: of the series, in order.

    Example:
        >>> point = FigurePoint("DTD", "CoOp", 16.0, 63.6, 62.8, 64.4, 3, ("a",))
        >>> found = figure_specification(PaperFigure("f", "F", "Fig. 1", "", "line", (point,)), ("#000",))
        >>> found["data"]["values"][0]["y"]
        63.6
    """
    ours = [_row(figure, point, "ours") for point in figure.points]
    printed = [_row(figure, point, "printed") for point in figure.printed]
    wide = len(figure.panels) == 1
    return {
        "$schema": SCHEMA,
        "title": {"text": figure.title, "subtitle": figure.source},
        "description": figure.caption,
        "data": {"values": ours + printed},
        "facet": {"field": "panel", "type": "nominal", "title": None, "sort": list(figure.panels)},
        "columns": min(COLUMNS, len(figure.panels)),
        "spec": {"width": 520 if wide else 220, "height": 190, "layer": _layers(figure, colours)},
        "resolve": {"scale": {"y": "independent" if figure.own_y else "shared"}},
    }


def _row(figure: PaperFigure, point: FigurePoint, kind: str) -> dict[str, Any]:
    ends = figure.interval(point)
    low, high = (None, None) if ends is None else ends
    found = {"panel": point.panel, "series": point.series, "x": point.x, "y": point.y, "low": low, "high": high}
    return found | {"seeds": point.n, "kind": kind}


def _layers(figure: PaperFigure, colours: tuple[str, ...]) -> list[dict[str, Any]]:
    x: dict[str, Any] = {"field": "x", "title": figure.x_title or None, "type": "quantitative"}
    if figure.order:
        x |= {"type": "nominal", "sort": list(figure.order), "axis": {"labelAngle": -40}}
    else:
        x["scale"] = {"type": "log" if figure.x_log else "linear", "zero": False, "nice": False, "padding": 10}
        if figure.x_log:
            x["axis"] = {"values": list(figure.x_values)}
    y = {"field": "y", "type": "quantitative", "title": figure.y_title, "scale": {"zero": False}}
    names = {"field": "series", "type": "nominal", "title": None, "sort": list(figure.series)}
    scale = {"domain": list(figure.series), "range": [colours[i % len(colours)] for i in range(len(figure.series))]}
    colour = names | {"scale": scale, "legend": None if len(figure.series) < 2 else {}}
    tip = [{"field": name, "type": "nominal"} for name in ("series", "x", "y", "low", "high", "seeds")]
    ours, printed = ({"filter": f"datum.kind == '{kind}'"} for kind in ("ours", "printed"))
    shape = names | {"scale": {"domain": list(figure.series)}, "legend": colour["legend"]}
    marks = {"x": x, "y": y, "color": colour, "shape": shape, "tooltip": tip}
    layers = [
        {
            "transform": [ours, {"filter": "isValid(datum.low)"}],
            "mark": {"type": "rule", "opacity": 0.6, "strokeWidth": 1.2},
            "encoding": {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}, "color": colour},
        },
        {"transform": [ours], "mark": {"type": "point", "filled": True, "size": 50, "opacity": 1}, "encoding": marks},
    ]
    if figure.kind == "line":
        line = {"x": x, "y": y, "color": colour}
        layers.insert(0, {"transform": [ours], "mark": {"type": "line", "strokeWidth": 1.5}, "encoding": line})
    if figure.printed:
        layers.append({"transform": [printed], "mark": {"type": "point", "size": 110, "opacity": 1}, "encoding": marks})
    return layers
