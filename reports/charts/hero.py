"""Accuracy against difficulty as a Vega-Lite chart, for readers without scripts and for notebooks."""

import math
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from bench.analysis import best_method, classes_of, dataset_difficulty
from reports._format import counted, interval, points, shorten
from reports.charts.plot import spread
from reports.charts.vega_svg import specification_svg
from reports.titles import PHRASES, DifficultyAxis, score_title
from reports.views import OverviewView

WIDTH, UPPER, LOWER = 700, 200, 110
"""Width of the chart and heights of its panels in px."""
NAME_GAP, NAME_LENGTH = 20, 20
"""Distance of two names in px, and the most characters of a name."""
A, B, OTHERS, LINE, SOFT, PAPER = (
    "var(--a,#0b5cad)", "var(--b,#8a4b2a)", "var(--others,#6f7883)", "var(--line,#dfe3e8)", "var(--soft,#59626d)",
    "var(--paper,#fff)",
)  # fmt: skip
"""The colours of the page, with those of its light theme for other places."""


def hero_svg(view: OverviewView) -> Markup:
    """The leader (A) against zero-shot, or against the next best method (B), by the measure that orders the methods."""
    return specification_svg(hero_specification(view))


def hero_picture(view: OverviewView) -> Markup:
    """The chart with its legend, for notebooks."""
    return Markup("<figure>{}<figcaption>{}</figcaption></figure>").format(hero_svg(view), hero_caption(view))


def hero_specification(view: OverviewView) -> dict[str, Any]:
    """The chart with its numbers in percent: accuracies above, the differences of the two methods below.

    Without a known difficulty, datasets are in their order.
    """
    measure = view.table.measures[-1]
    answer = view.answers[measure]
    _, b = first_pair(view, answer)
    axis = next((axis for axis in view.axes if answer.difficulty.get(axis.name)), None)
    rows = _rows(view, answer, axis)
    x: dict[str, Any] = {
        "field": "dataset",
        "type": "nominal",
        "sort": None,
        "title": None,
        "axis": {"labelAngle": -40},
    }
    names: list[dict[str, Any]] = []
    if axis is not None and rows:
        domain = _place(rows, log=axis.log)
        scale = {"type": "log" if axis.log else "linear", "domain": domain, "zero": False, "nice": False}
        x = {
            "field": "x",
            "type": "quantitative",
            "title": axis_text(axis, measure),
            "scale": scale,
            "axis": {"tickCount": 6},
        }
        names = _names()
    score, above = score_title(measure), x if b is None else x | {"axis": None}
    panels = [
        [
            *names,
            _layer({"type": "rule", "color": OTHERS, "size": 5, "opacity": 0.3}, above, "low", score, "high"),
            _layer(_mark(B, "diamond", dash=b == view.table.baseline), above, "b", score),
            _layer(_mark(A, "circle"), above, "a", score),
        ]
    ]
    if b is not None:
        panels.append(_differences(answer, x))
    colours = {"labelColor": SOFT, "titleColor": "currentColor"} | dict.fromkeys(
        ("gridColor", "domainColor", "tickColor"), LINE
    )
    return {
        "description": f"{PHRASES[measure]} of {len(view.names)} methods on {len(view.datasets)} datasets",
        "background": PAPER,
        "data": {"values": rows},
        "vconcat": [
            {"width": WIDTH, "height": height, "layer": layers}
            for height, layers in zip((UPPER, LOWER), panels, strict=False)
        ],
        "config": {
            "aria": False,
            "font": "system-ui, sans-serif",
            "axis": colours | {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": 500},
            "axisX": {"grid": False},
            "text": {"fill": "currentColor", "fontSize": 12},
            "view": {"stroke": None},
        },
    }


def _rows(view: OverviewView, answer: best_method.Answer, axis: DifficultyAxis | None) -> list[dict[str, Any]]:
    """One row per dataset with results: the two methods, and the ends of all methods; on an axis from easy to hard."""
    a, b = first_pair(view, answer)
    along = {} if axis is None else answer.difficulty[axis.name]
    rows: list[dict[str, Any]] = []
    for dataset in view.datasets:
        means = {key: view.table.mean(key, dataset.name, answer.measure) for key in view.names}
        found = {key: 100 * mean for key, mean in means.items() if mean is not None}
        if found and (axis is None or dataset.name in along):
            one, other = found.get(a or ""), found.get(b or "")
            difference = None if one is None or other is None else one - other
            row = {"dataset": shorten(dataset.title, NAME_LENGTH), "x": along.get(dataset.name), "a": one, "b": other}
            rows.append(row | {"low": min(found.values()), "high": max(found.values()), "difference": difference})
    return sorted(rows, key=lambda row: row["x"] or 0.0)


def _place(rows: Sequence[dict[str, Any]], *, log: bool) -> list[float]:
    """Adds the places of points (`at`) and names (`name`) in px to the rows; returns the ends of the axis."""
    along = [math.log(row["x"]) if log else row["x"] for row in rows]
    pad = 0.05 * (along[-1] - along[0]) or 0.5
    low, high = along[0] - pad, along[-1] + pad
    places = [WIDTH * (value - low) / (high - low) for value in along]
    for row, at, name in zip(rows, places, spread(places, NAME_GAP, 0, WIDTH), strict=True):
        row |= {"at": at, "name": name}
    return [math.exp(low), math.exp(high)] if log else [low, high]


def _names() -> list[dict[str, Any]]:
    """The names above the panel, and a line from each to its points."""
    at, name = ({"field": field, "type": "quantitative", "scale": None} for field in ("at", "name"))
    line = {"type": "rule", "color": LINE}
    return [
        {"mark": line, "encoding": {"x": at, "y": {"value": 0}, "y2": {"value": UPPER}}},
        {"mark": line, "encoding": {"x": name, "x2": {"field": "at"}, "y": {"value": -14}, "y2": {"value": 0}}},
        {
            "mark": {"type": "text", "angle": -40, "align": "left"},
            "encoding": {"text": {"field": "dataset"}, "x": name, "y": {"value": -20}},
        },
    ]


def _mark(colour: str, shape: str, *, dash: bool = False) -> dict[str, Any]:
    """A point, or a short line for zero-shot."""
    if dash:
        return {"type": "tick", "color": colour, "size": 16, "thickness": 3, "orient": "horizontal", "opacity": 1}
    return {"type": "point", "color": colour, "shape": shape, "filled": True, "size": 60, "opacity": 1}


def _layer(mark: dict[str, Any], x: dict[str, Any], field: str, title: str, end: str | None = None) -> dict[str, Any]:
    """Marks at a field of the rows, or from it to another."""
    y = {"field": field, "type": "quantitative", "title": title, "scale": {"zero": False}}
    filled = [{"filter": f"isValid(datum.{field})"}]
    return {"mark": mark, "transform": filled, "encoding": {"x": x, "y": y} | ({"y2": {"field": end}} if end else {})}


def _differences(answer: best_method.Answer, x: dict[str, Any]) -> list[dict[str, Any]]:
    """The difference on each dataset; lines at 0 and at the mean, and the interval of the mean as a band."""
    found = _layer(_mark(A, "circle"), x, "difference", "Difference, points")
    found["encoding"]["color"] = {"condition": {"test": "datum.difference > 0", "value": A}, "value": B}
    lead, lines = answer.lead, [{"at": 0.0}]
    if lead is not None:
        low, high = _elsewhere(answer) or (lead.mean, lead.mean)
        lines.append({"at": 100 * lead.mean, "low": max(100 * low, -100), "high": min(100 * high, 100)})
    y = {"field": "at", "type": "quantitative"}
    band = {"y": y | {"field": "low"}, "y2": {"field": "high"}}
    return [
        {"data": {"values": lines[1:]}, "mark": {"type": "rect", "color": SOFT, "opacity": 0.15}, "encoding": band},
        {"data": {"values": lines[:1]}, "mark": {"type": "rule", "color": SOFT}, "encoding": {"y": y}},
        {
            "data": {"values": lines[1:]},
            "mark": {"type": "rule", "color": "currentColor", "strokeDash": [5, 4]},
            "encoding": {"y": y},
        },
        found,
    ]


def _elsewhere(answer: best_method.Answer) -> tuple[float, float] | None:
    """The interval of the lead over datasets of this kind; None if nothing is known about them."""
    test = answer.verdict.on_others(answer.leader or "", answer.verdict.reference or "")
    return None if test is None or test.low is None or test.high is None else (test.low, test.high)


def hero_caption(view: OverviewView) -> str:
    """The legend of the chart as text."""
    answer = view.answers[view.table.measures[-1]]
    a, b = first_pair(view, answer)
    marks = [] if a is None else [f"Disc: {view.names[a]}."]
    if b is not None:
        marks.append(f"{'Dash' if b == view.table.baseline else 'Diamond'}: {view.names[b]}.")
    marks.append(f"Grey: from the lowest to the highest of {counted(len(view.names), 'method')}.")
    if a is not None and b is not None:
        marks.append(f"Below: {view.names[a]} minus {view.names[b]}, in the colour of the method that is ahead.")
    if answer.lead is not None:
        wide = _elsewhere(answer)
        ends = "" if wide is None else f", 95\u00a0% interval over datasets {interval(*wide)}"
        marks.append(f"Mean difference {points(answer.lead.mean)} points{ends}.")
    axis = next((axis for axis in view.axes if answer.difficulty.get(axis.name)), None)
    along = {} if axis is None else answer.difficulty[axis.name]
    if left_out := [dataset.title for dataset in view.datasets if axis is not None and dataset.name not in along]:
        marks.append(f"Without a known difficulty: {', '.join(left_out)}.")
    return " ".join(marks)


def first_pair(view: OverviewView, answer: best_method.Answer) -> tuple[str | None, str | None]:
    """A and B of the first chart: the leader and its reference, or any two methods if there is no leader."""
    if answer.lead is not None:
        return answer.leader, answer.verdict.reference
    keys = [method.key for method in view.table.methods]
    a = answer.leader if answer.leader is not None else next((key for key in keys if key != view.table.baseline), None)
    return a, next((key for key in (view.table.baseline, *keys) if key is not None and key != a), None)


def axis_text(axis: DifficultyAxis, measure: str) -> str:
    """The title of the axis below the chart; difficulty with its definition and classes."""
    log = " (log scale)" if axis.log else ""
    if axis.name != dataset_difficulty.RTD:
        return f"{axis.title}{log}"
    return f"{axis.title} = 1 / (classes × zero-shot accuracy), {classes_of(measure)} classes{log}"
