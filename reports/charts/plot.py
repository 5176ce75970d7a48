"""Parts of small charts as SVG. Marks contain the text of their tooltip."""

from collections.abc import Callable, Sequence

from markupsafe import Markup, escape

from reports._format import shorten
from reports.charts.axes import Axis, spread

WIDTH, HEIGHT = 860, 360
LEFT, RIGHT, TOP, BOTTOM = 52, 690, 30, 312
"""Ends of the axes in px; names have room to the right of them."""
NAME_GAP, NAME_LENGTH = 15, 24
"""Distance of two names in px, and the most characters of a name."""


def chart_svg(label: str, *parts: str) -> Markup:
    """A chart of the size of this module; `label` is a sentence that describes it."""
    return Markup(
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )


def frame(x: Axis, y: Axis, x_title: str, y_title: str, x_text: Callable[[float], str]) -> str:
    """Grid lines, ticks and titles of both axes; ticks of x closer than 40 px to the previous one are left out."""
    lines = "".join(f"M{LEFT},{y.at(value)}H{RIGHT}" for value in y.ticks)
    texts = [
        f'<text class="tick" x="{LEFT - 8}" y="{y.at(value) + 4}" text-anchor="end">{value:g}</text>'
        for value in y.ticks
    ]
    last = float("-inf")
    for value in x.ticks:
        if x.at(value) - last >= 40:
            last = x.at(value)
            texts.append(f'<text class="tick" x="{last}" y="{BOTTOM + 17}" text-anchor="middle">{x_text(value)}</text>')
    return (
        f'<path class="grid" d="{lines}"/><path class="zero" d="M{LEFT},{BOTTOM}H{RIGHT}"/>{"".join(texts)}'
        f'<text class="panel" x="{LEFT - 44}" y="16">{escape(y_title)}</text>'
        f'<text x="{(LEFT + RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_title)}</text>'
    )


def disc(place: tuple[float, float], cls: str, radius: float, tip: str) -> str:
    """A point with the text of its tooltip."""
    x, y = place
    return f'<circle class="mark {cls}" cx="{x}" cy="{y}" r="{radius}" data-tip="{escape(tip)}"/>'


def step_path(points: Sequence[tuple[float, float]], cls: str) -> str:
    """A stepped line through points from left to right, which keeps its height until the next; empty without points."""
    if not points:
        return ""
    (x, y), *rest = points
    return f'<path class="{cls}" d="M{x},{y}{"".join(f"H{at}V{height}" for at, height in rest)}"/>'


def names_at_right(ends: Sequence[tuple[float, float, str, str]]) -> str:
    """Names beside the right end of the axis at heights as close to their own as possible, by (y, x, name, class)."""
    ordered = sorted(ends)
    heights = spread([y for y, *_ in ordered], NAME_GAP, TOP, BOTTOM)
    return "".join(
        f'<path class="guide" d="M{x},{y}L{RIGHT + 12},{at}"/>'
        f'<text class="{cls}" x="{RIGHT + 16}" y="{at + 4}"><title>{escape(name)}</title>'
        f"{escape(shorten(name, NAME_LENGTH))}</text>"
        for (y, x, name, cls), at in zip(ordered, heights, strict=True)
    )
