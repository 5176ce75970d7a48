"""A figure of a paper as SVG, one small chart per panel, for the page and for files."""

import json
import math
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from markupsafe import Markup, escape

from bench.papers import FigurePoint, PaperFigure
from reports._format import few_runs, four_digits, shorten
from reports.charts.plot import Axis, bar_path, linear_axis, log_axis
from reports.charts.vega_figure import figure_specification

FIGURE_FORMATS = ("svg", "vl.json", "pdf", "png")
SERIES_COLOURS = ("#0f7ac0", "#d95f02", "#12926b", "#c76aa5", "#c99400", "#52a9e0", "#9a6a3c", "#7a7f87")
"""Okabe and Ito's palette at medium lightness, visible on white and on near-black."""
_SHAPES = (
    "M0,-4A4,4,0,1,1,0,4A4,4,0,1,1,0,-4Z",
    "M-3.5,-3.5H3.5V3.5H-3.5Z",
    "M0,-4.5L4,3.5H-4Z",
    "M0,-5L5,0L0,5L-5,0Z",
    "M-1.5,-4.5H1.5V-1.5H4.5V1.5H1.5V4.5H-1.5V1.5H-4.5V-1.5H-1.5Z",
    "M0,4.5L-4,-3.5H4Z",
    "M4.5,0L-3.5,4V-4Z",
    "M-4.5,0L3.5,4V-4Z",
)
_COLUMNS = 3
_WIDE, _NARROW = 620, 250
"""Width of a panel in px, alone and in a grid."""
_HEIGHT, _LEFT, _HEAD, _FOOT, _GAP = 190, 66, 24, 42, 12
"""Height of a panel, room for its y axis, its title and the numbers below it, and between panels, in px."""
_NAME_LENGTH = 18
_LEGEND, _LEGEND_WIDTH = 20, 200
_LETTER, _LINE = 5.6, 12
"""Width of a letter and height of a line of a label in a panel, in px."""
_FILE_INK = "#1a1e24"
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"

_NOT_XML = re.compile("[^\\t\\n\\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that are not allowed in XML, such as control characters; readers of SVG refuse them."""
_CONVERTER = Path(__file__).with_name("svg_converter.py")


@dataclass(frozen=True)
class _Panel:
    """Position and axes of one small chart."""

    name: str
    left: float
    top: float
    width: float
    x: Mapping[float | str, float]
    x_ticks: tuple[tuple[float, str], ...]
    y: Axis


def figure_svg(figure: PaperFigure, ink: str = "currentColor") -> Markup:
    """The figure as SVG with text and lines in colour `ink`; empty without points."""
    if not figure.points:
        return Markup("")
    columns = min(_COLUMNS, len(figure.panels))
    panel_width = _WIDE if columns == 1 else _NARROW
    foot = _foot(figure)
    row_height = _HEAD + _HEIGHT + foot
    rows = math.ceil(len(figure.panels) / columns)
    width = columns * (_LEFT + panel_width) + (columns - 1) * _GAP + 8
    legend, legend_height = _legend(figure, width, rows * row_height)
    height = rows * row_height + legend_height
    shared = None if figure.own_y else _ends((*figure.points, *figure.printed), figure)
    parts = []
    for number, name in enumerate(figure.panels):
        left = _LEFT + (number % columns) * (_LEFT + panel_width + _GAP)
        top = _HEAD + (number // columns) * row_height
        parts.append(_draw(figure, _panel(figure, name, left, top, panel_width, shared), ink))
    label = escape(f"{figure.title} ({figure.source})")
    return Markup(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{label}" font-family="{_FONT}" font-size="11" fill="{ink}">{"".join(parts)}{legend}'
        "</svg>"
    )


def figure_file(figure: PaperFigure, kind: str) -> bytes:
    """The figure for a paper, dark on white, in one of `FIGURE_FORMATS`; PNG at twice the size.

    `vl.json` is a Vega-Lite specification with the numbers, to change the picture.

    A separate process writes PDF and PNG, because the renderer can abort its process.

    Raises:
        RuntimeError: if the renderer fails.
    """
    svg = _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", str(figure_svg(figure, _FILE_INK)))
    if kind == "svg":
        return svg.encode()
    if kind == "vl.json":
        return json.dumps(figure_specification(figure, SERIES_COLOURS), indent=1, ensure_ascii=False).encode()
    if kind == "png":
        svg = svg.replace(">", '><rect width="100%" height="100%" fill="white"/>', 1)
    command = [sys.executable, "-I", str(_CONVERTER), kind]
    converted = subprocess.run(command, input=svg.encode(), capture_output=True, check=False)
    if converted.returncode:
        last_line = converted.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        reason = last_line or f"exit code {converted.returncode}"
        raise RuntimeError(f"the renderer of {kind.upper()} files failed: {reason}")
    return converted.stdout


def _foot(figure: PaperFigure) -> int:
    """Room below a panel: for numbers, or for names that rise to the right, and for the title of the axis."""
    if not figure.order:
        return _FOOT
    longest = min(_NAME_LENGTH, max(len(str(value)) for value in figure.x_values))
    return 30 + 4 * longest + (16 if figure.x_title else 0)


def _panel(figure: PaperFigure, name: str, left: float, top: float, width: float, shared: list[float] | None) -> _Panel:
    here = [point for point in (*figure.points, *figure.printed) if point.panel == name]
    y = linear_axis(shared or _ends(here, figure), top + _HEIGHT, top, most=5)
    if figure.order:
        step = width / len(figure.x_values)
        places = {value: round(left + step * (at + 0.5), 1) for at, value in enumerate(figure.x_values)}
        return _Panel(name, left, top, width, places, tuple((x, str(value)) for value, x in places.items()), y)
    numbers = [value for value in figure.x_values if not isinstance(value, str)]
    axis = (log_axis if figure.x_log else linear_axis)(numbers, left, left + width)
    ticks = tuple(numbers) if figure.x_log and len(numbers) <= 8 else axis.ticks
    places = {value: axis.at(value) for value in numbers}
    return _Panel(name, left, top, width, places, tuple((axis.at(tick), four_digits(tick)) for tick in ticks), y)


def _ends(points: Sequence[FigurePoint], figure: PaperFigure) -> list[float]:
    """Ends of the y axis: all values with their intervals, but the longest intervals do not set the scale.

    The axis ends at most as far from the values as they are apart, or as the median interval reaches.
    """
    values = [point.y for point in points]
    bars = [(point.y, *ends) for point in points if (ends := figure.interval(point)) is not None]
    if not bars:
        return values
    lowest, highest = min(values), max(values)
    room = max(highest - lowest, median(max(y - low, high - y) for y, low, high in bars))
    low, high = min(low for _, low, _ in bars), max(high for _, _, high in bars)
    return [lowest, highest, max(low, lowest - room), min(high, highest + room)]


def _draw(figure: PaperFigure, panel: _Panel, ink: str) -> str:
    bottom, right = panel.top + _HEIGHT, panel.left + panel.width
    grid = "".join(f"M{panel.left},{panel.y.at(tick)}H{right}" for tick in panel.y.ticks)
    parts = [
        f'<text x="{panel.left}" y="{panel.top - 8}" font-size="12" font-weight="600">{escape(panel.name)}</text>'
        f'<path d="{grid}" stroke="{ink}" stroke-opacity=".12"/><path d="M{panel.left},{bottom}H{right}" '
        f'stroke="{ink}" stroke-opacity=".4"/>'
    ]
    for tick in panel.y.ticks:
        parts.append(f'<text x="{panel.left - 6}" y="{panel.y.at(tick) + 4}" text-anchor="end">{tick:g}</text>')
    for x, text in panel.x_ticks:
        place = f'transform="translate({x},{bottom + 12}) rotate(-40)" text-anchor="end"'
        plain_place = f'x="{x}" y="{bottom + 15}" text-anchor="middle"'
        parts.append(f"<text {place if figure.order else plain_place}>{escape(shorten(text, _NAME_LENGTH))}</text>")
    middle = panel.top + _HEIGHT / 2
    parts.append(
        f'<text transform="translate({panel.left - 40},{middle}) rotate(-90)" text-anchor="middle">'
        f"{escape(figure.y_title)}</text>"
    )
    if figure.x_title:
        y = bottom + _foot(figure) - 12
        parts.append(
            f'<text x="{(panel.left + right) / 2}" y="{y}" text-anchor="middle">{escape(figure.x_title)}</text>'
        )
    for number, series in enumerate(figure.series):
        parts.append(_series(figure, panel, series, number))
    return "".join(parts) + (_labels(figure, panel) if figure.labelled else "")


def _series(figure: PaperFigure, panel: _Panel, series: str, number: int) -> str:
    colour, shape = SERIES_COLOURS[number % len(SERIES_COLOURS)], _SHAPES[number % len(_SHAPES)]
    points = figure.at(panel.name, series)
    found = [(panel.x[x], points[x]) for x in figure.x_values if x in points]
    parts = []
    if figure.kind == "line" and found:
        path = "L".join(f"{x},{panel.y.at(point.y)}" for x, point in found)
        parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
    for x, point in found:
        if (ends := figure.interval(point)) is not None:
            low, high = map(panel.y.at, ends)
            bar = bar_path(x, low, high, panel.top, panel.top + _HEIGHT)
            parts.append(f'<path d="{bar}" fill="none" stroke="{colour}" stroke-opacity=".6" stroke-width="1.2"/>')
        text = f"{point.series}, {point.x}: {four_digits(point.y)} ({point.n} seeds; runs {few_runs(point.run_ids)})"
        parts.append(
            f'<path transform="translate({x},{panel.y.at(point.y)})" d="{shape}" fill="{colour}"><title>'
            f"{escape(text)}</title></path>"
        )
    for point in figure.printed:
        if (point.panel, point.series) == (panel.name, series):
            place = f"{panel.x[point.x]},{panel.y.at(point.y)}"
            text = escape(f"{series}, {point.x}: {four_digits(point.y)} printed")
            parts.append(
                f'<path transform="translate({place}) scale(1.5)" d="{shape}" fill="none" stroke="{colour}">'
                f"<title>{text}</title></path>"
            )
    return "".join(parts)


def _labels(figure: PaperFigure, panel: _Panel) -> str:
    """The name of each series beside its first mark, on the side with more room and above other names."""
    placed: list[tuple[float, float, float]] = []
    parts = []
    for series in figure.series:
        points = figure.at(panel.name, series)
        first = next((x for x in figure.x_values if x in points), None)
        if first is None:
            continue
        x, text = panel.x[first], shorten(series, _NAME_LENGTH)
        right, width = x < panel.left + panel.width / 2, _LETTER * len(text)
        left = x + 8 if right else x - 8 - width
        y = panel.y.at(points[first].y) - 5
        while any(left < end and start < left + width and abs(y - other) < _LINE for start, end, other in placed):
            y -= _LINE
        placed.append((left, left + width, y))
        anchor, at = ("start", left) if right else ("end", left + width)
        parts.append(f'<text x="{at}" y="{y}" text-anchor="{anchor}" font-size="10">{escape(text)}</text>')
    return "".join(parts)


def _legend(figure: PaperFigure, width: float, top: float) -> tuple[str, float]:
    """The names of the series and the height of their block; none if one series or one per panel."""
    if figure.labelled or len(figure.series) < 2 or set(figure.series) == set(figure.panels):
        return "", 0
    columns = max(1, int(width // _LEGEND_WIDTH))
    parts = []
    for number, series in enumerate(figure.series):
        x, y = 12 + (number % columns) * _LEGEND_WIDTH, top + 10 + (number // columns) * _LEGEND
        colour, shape = SERIES_COLOURS[number % len(SERIES_COLOURS)], _SHAPES[number % len(_SHAPES)]
        parts.append(
            f'<path transform="translate({x},{y})" d="{shape}" fill="{colour}"/><text x="{x + 10}" y="{y + 4}">'
            f"{escape(shorten(series, 30))}</text>"
        )
    return "".join(parts), _LEGEND * math.ceil(len(figure.series) / columns)
