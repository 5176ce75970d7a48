"""Shared by all charts: style, encodings, the static picture, and the script that makes them interactive."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from typing import Any

from markupsafe import escape

from reports._symbols import Symbol

VEGA_LITE = "6.4"
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"  # an identifier; nothing is downloaded
INK = "currentColor"  # text and rules follow the page's theme, also in the static picture
WIDTH, HEIGHT = 300, 300
"""Of one panel of a static picture, in pixels."""
PANEL_TITLES = {"base": "Base classes", "new": "New classes", "H": "Harmonic mean H", "all": "All classes"}

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
        "symbolLimit": 0,  # no limit
    },
    "header": {"labelColor": INK, "titleColor": INK},
}

_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

_PANELS: dict[str, Any] = {
    "field": "panel",
    "type": "nominal",
    "header": {"title": None, "labelFontSize": 13, "labelFontWeight": 600, "labelPadding": 6, "labelAnchor": "start"},
}

Spec = dict[str, Any]
"""A Vega-Lite specification or a part of one."""


def entry_encodings(names: Mapping[str, str], symbols: Mapping[str, Symbol]) -> tuple[Spec, Spec]:
    """Encodings of the field `entry` by colour and by shape, with one legend for both in the order of `names`.

    Names and symbols are by entry key.
    """
    legend = {"title": None, "orient": "bottom", "symbolSize": 90, "labelLimit": 260}
    entry = {"field": "entry", "type": "nominal", "legend": legend}
    domain = list(names.values())
    colour = entry | {"scale": {"domain": domain, "range": [symbols[key].colour for key in names]}}
    return colour, entry | {"scale": {"domain": domain, "range": [symbols[key].shape for key in names]}}


def axis_encoding(field: str, title: str, scale: Spec, axis: Spec | None = None) -> Spec:
    """Encoding of a number by its position."""
    encoding = {"field": field, "type": "quantitative", "title": title, "scale": scale}
    return encoding if axis is None else encoding | {"axis": axis}


def tooltip(**titles: str) -> list[Spec]:
    """Tooltip lines: a title for each field."""
    return [{"field": field, "title": title} for field, title in titles.items()]


def panel_chart(description: str, layers: Sequence[Spec], *, panels: Sequence[str] | None = None) -> Spec:
    """A specification whose data is the named source `rows`.

    `description` is for screen readers. `panels` are titles of panels side by side; None draws one of twice the width.
    """
    return {
        "$schema": SCHEMA,
        "description": description,
        "data": {"name": "rows"},
        "facet": _PANELS if panels is None else _PANELS | {"sort": list(panels)},
        "columns": len(panels or "1"),
        "spacing": 18,
        "spec": {"width": 2 * WIDTH if panels is None else WIDTH, "height": HEIGHT, "layer": list(layers)},
        "config": CONFIG,
    }


def static_svg(spec: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], *, prefix: str) -> str:
    """The chart as SVG text, its ids prefixed so that a page can contain several.

    Omits per-mark labels, classes and digits below a hundredth of a pixel, which make up most of the text, and writes
    repeated shapes once. Screen readers find the same numbers in the tables.
    """
    import vl_convert

    complete = _drawable({**spec, "datasets": {"rows": list(rows)}})
    svg = str(vl_convert.vegalite_to_svg(complete, vl_version=VEGA_LITE, allowed_base_urls=[]))
    svg = re.sub(r' (?:aria-[a-z]+|role|class|pointer-events)="[^"]*"', "", svg)
    svg = re.sub(r' (?:(?:stroke-width|opacity)="1"|[xy]2="0")', "", svg)  # defaults
    svg = re.sub(r' font-family="[^"]*"|<text[^>]*/>', "", svg)  # one font, set below; ticks without a label
    svg = re.sub(r"<[^>]+>", lambda tag: re.sub(r"(?<=\d)\.(\d{2})\d+", r".\1", tag[0]), svg)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", svg)
    svg = _shared_shapes(svg, prefix)
    label = escape(complete["description"])
    return svg.replace("<svg ", f'<svg role="img" aria-label="{label}" font-family="{CONFIG["font"]}" ', 1)


def _drawable(value: Any) -> Any:
    """The same value with a replacement for each character that XML forbids; the renderer aborts the process on one."""
    if isinstance(value, str):
        return _NOT_XML.sub("\ufffd", value)
    if isinstance(value, Mapping):
        return {_drawable(key): _drawable(item) for key, item in value.items()}
    return [_drawable(item) for item in value] if isinstance(value, list | tuple) else value


def _shared_shapes(svg: str, prefix: str) -> str:
    """The picture with each path that occurs five times or more written once and referenced."""
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
"""Returns the cached text of a name and key, or calls the function that makes it."""


def no_cache(name: str, key: str, make: Callable[[], str]) -> str:  # noqa: ARG001
    """A `Keep` that stores nothing."""
    return make()


def runtime_script(keep: Keep = no_cache) -> str:
    """Vega, Vega-Lite and Vega-Embed as one script that sets `window.vegaEmbed`; bundling takes seconds."""
    return keep("runtime", f"vl-convert {version('vl-convert-python')}, Vega-Lite {VEGA_LITE}", _bundle)


@cache
def _bundle() -> str:
    import vl_convert

    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE))
