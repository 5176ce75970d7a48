"""What all charts share: the look, the static picture, and the script that makes them live."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from typing import Any

from markupsafe import escape

VEGA_LITE = "6.4"
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"  # a name; nothing is fetched from it
INK = "currentColor"  # text and rules follow the page's theme, in the static picture as well

CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif",
    "view": {"stroke": INK, "strokeOpacity": 0.18},
    "rule": {"color": INK},
    "axis": {
        "labelColor": INK,
        "titleColor": INK,
        "titleFontWeight": 500,
        "titlePadding": 8,
        "domain": False,
        "tickColor": INK,
        "tickOpacity": 0.3,
        "gridColor": INK,
        "gridOpacity": 0.1,
        "labelFontSize": 11,
        "titleFontSize": 12,
    },
    "legend": {
        "labelColor": INK,
        "titleColor": INK,
        "labelFontSize": 12,
        "rowPadding": 5,
        "columnPadding": 18,
        "offset": 14,
        "columns": 6,
        "symbolLimit": 0,  # every method, however many
    },
    "header": {"labelColor": INK, "titleColor": INK},
}


PANELS: dict[str, Any] = {
    "field": "panel",
    "type": "nominal",
    "header": {"title": None, "labelFontSize": 13, "labelFontWeight": 600, "labelPadding": 6, "labelAnchor": "start"},
}
"""One panel for each value of `panel`, titled by it."""


def static_svg(spec: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], *, prefix: str) -> str:
    """The chart as SVG text, its ids prefixed so that several can live in one page.

    Per-mark labels, classes and digits below a hundredth of a pixel make up most of the text and are left out, and a
    shape that is drawn many times is written once; the tables hold the same numbers for screen readers.
    """
    import vl_convert

    complete = {**spec, "datasets": {"rows": list(rows)}}
    svg = str(vl_convert.vegalite_to_svg(complete, vl_version=VEGA_LITE, allowed_base_urls=[]))
    svg = re.sub(r' (?:aria-[a-z]+|role|class|pointer-events)="[^"]*"', "", svg)
    svg = re.sub(r' (?:(?:stroke-width|opacity)="1"|[xy]2="0")', "", svg)  # what is so by default
    svg = re.sub(r"<[^>]+>", lambda tag: re.sub(r"(?<=\d)\.(\d{2})\d+", r".\1", tag[0]), svg)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", svg)
    svg = _shared_shapes(svg, prefix)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(str(spec["description"]))}" ', 1)


def _shared_shapes(svg: str, prefix: str) -> str:
    """Paths that are drawn five times or more, written once and used by reference."""
    drawn = Counter(re.findall(r'<path transform="[^"]*" d="([^"]+)"', svg))
    names = {d: f"{prefix}-shape{i}" for i, (d, n) in enumerate(drawn.items()) if n >= 5}
    if not names:
        return svg

    def refer(found: re.Match[str]) -> str:
        place, d = found[1], found[2]
        return f'<use {place} href="#{names[d]}"' if d in names else found[0]

    svg = re.sub(r'<path (transform="[^"]*") d="([^"]+)"', refer, svg)
    shapes = "".join(f'<path id="{name}" d="{d}"/>' for d, name in names.items())
    return re.sub(r"(<svg [^>]*>)", lambda start: f"{start[0]}<defs>{shapes}</defs>", svg, count=1)


Keep = Callable[[str, str, Callable[[], str]], str]
"""Gives the text of that name and key, from where it is kept or by calling what makes it."""


def made_anew(name: str, key: str, make: Callable[[], str]) -> str:  # noqa: ARG001
    """Keeps nothing."""
    return make()


def runtime_script(keep: Keep = made_anew) -> str:
    """Vega, Vega-Lite and Vega-Embed as one script that sets `window.vegaEmbed`; it is part of vl-convert.

    Putting it together takes seconds.

    Args:
        keep: keeps it for the next page.
    """
    return keep("runtime", f"vl-convert {version('vl-convert-python')}, Vega-Lite {VEGA_LITE}", _bundle)


@cache
def _bundle() -> str:
    import vl_convert

    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE))
