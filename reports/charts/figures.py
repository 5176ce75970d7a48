"""A figure's view as a Vega-Lite specification, for the page and for files."""

import json
import math
from collections.abc import Sequence
from typing import Any

from reports._format import few_runs
from reports._symbols import COLOURS
from reports.charts.vega import INK, VEGA_LITE, Spec, axis_encoding, panel_chart, tooltip
from reports.views import FigureView

_COLUMNS = 3
_WIDE, _NARROW = 560, 250
_HEIGHT = 190
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")
FORMATS = ("svg", "pdf", "png")
_FILE_INK = "#1a1e24"


def figure_rows(figure: FigureView) -> list[dict[str, Any]]:
    """One row per point; intervals of percentages are clipped to 0 to 100."""
    least, most = (0.0, 100.0) if figure.y_title.endswith("%") else (-math.inf, math.inf)
    rows = []
    for point in figure.points:
        row: dict[str, Any] = {"panel": point.panel, "series": point.series, "x": point.x, "y": round(point.y, 5)}
        if point.low is not None and point.high is not None:
            row |= {"low": round(max(point.low, least), 5), "high": round(min(point.high, most), 5)}
        rows.append(row | {"n": point.n, "runs": few_runs(point.run_ids)})
    return rows


def figure_chart(figure: FigureView) -> dict[str, Any]:
    """A specification with one small chart per panel; its data is the named source `rows`."""
    panels = figure.panels
    colours = {"domain": list(figure.series), "range": _cycled(COLOURS, len(figure.series))}
    shapes = {"domain": list(figure.series), "range": _cycled(_SHAPES, len(figure.series))}
    one_series = len(figure.series) < 2 or set(figure.series) == set(panels)
    legend = None if one_series else {"title": None, "orient": "bottom", "labelLimit": 260}
    series = {"field": "series", "type": "nominal", "legend": legend}
    names = bool(figure.order)
    x: dict[str, Any] = {"field": "x", "type": "nominal" if names else "quantitative", "title": figure.x_title or None}
    if names:
        x |= {"sort": list(figure.x_values), "axis": {"labelAngle": -40, "labelLimit": 130}}
    else:
        scale = {"type": "log", "base": 2, "nice": False} if figure.x_log else {"zero": False, "nice": False}
        x |= {"scale": {**scale, "padding": 12}, "axis": {"grid": False, **_ticks(figure)}}
    y = axis_encoding("y", figure.y_title, {"zero": False, "padding": 8})
    encoding = {"x": x, "y": y, "color": series | {"scale": colours}}
    interval = {
        "transform": [{"filter": "isValid(datum.low)"}],
        "mark": {"type": "rule", "strokeWidth": 1.2, "opacity": 0.55},
        "encoding": {**encoding, "y": y | {"field": "low"}, "y2": {"field": "high"}},
    }
    points = {
        "mark": {"type": "point", "filled": True, "size": 60},
        "encoding": {**encoding, "shape": series | {"scale": shapes}, "tooltip": _TOOLTIP},
    }
    line = {"mark": {"type": "line", "strokeWidth": 1.5}, "encoding": encoding}
    layers: list[Spec] = [line, interval, points] if figure.kind == "line" else [interval, points]
    wide = len(panels) == 1
    return panel_chart(f"{figure.title} ({figure.source})", layers) | {
        "facet": {
            "field": "panel",
            "type": "nominal",
            "sort": list(panels),
            "header": {"title": None, "labelFontSize": 12, "labelFontWeight": 600, "labelAnchor": "start"},
        },
        "columns": 1 if wide else min(_COLUMNS, len(panels)),
        "spacing": 22,
        "spec": {"width": _WIDE if wide else _NARROW, "height": _HEIGHT, "layer": layers},
        "resolve": {"scale": {"y": "independent" if figure.own_y else "shared"}},
    }


_TOOLTIP = tooltip(series="series", x="x", y="value", n="seeds", runs="runs")


def figure_file(figure: FigureView, kind: str) -> bytes:
    """The figure for a paper, black on white, in one of `FORMATS`; PNG at twice the size."""
    import vl_convert

    text = json.dumps({**figure_chart(figure), "datasets": {"rows": figure_rows(figure)}}).replace(INK, _FILE_INK)
    options: dict[str, Any] = {"vl_version": VEGA_LITE, "allowed_base_urls": []}
    if kind == "svg":
        return str(vl_convert.vegalite_to_svg(text, **options)).encode()
    if kind == "pdf":
        return bytes(vl_convert.vegalite_to_pdf(text, **options))
    spec = json.loads(text)
    spec["config"]["background"] = "white"
    return bytes(vl_convert.vegalite_to_png(spec, scale=2, **options))


def _ticks(figure: FigureView) -> dict[str, Any]:
    """Ticks at the values of a logarithmic axis if there are at most eight."""
    values = figure.x_values
    return {"values": list(values)} if figure.x_log and len(values) <= 8 else {"tickCount": 6}


def _cycled(values: Sequence[str], n: int) -> list[str]:
    return [values[i % len(values)] for i in range(n)]
