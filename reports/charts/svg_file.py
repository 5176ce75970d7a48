"""Drawings of the page as files for papers."""

import re

from reports.charts.vega_svg import converted, plain_text

FIGURE_SUFFIXES = (".pdf", ".svg", ".png")
"""Of the files; PNG has twice the size."""
_VARIABLE = re.compile(r"var\(--[\w-]+,([^()]*)\)")
_FONT = 'font-family="Inter, Arial, Liberation Sans, Helvetica, sans-serif"'


def svg_file(svg: str, suffix: str) -> bytes:
    """A drawing in one of `FIGURE_SUFFIXES`, in the light colours of the page.

    Raises:
        RuntimeError: if the renderer fails.
    """
    text = _VARIABLE.sub(r"\1", plain_text(svg))
    if "font-family" not in text.partition(">")[0]:
        text = text.replace("<svg ", f"<svg {_FONT} ", 1)
    return text.encode() if suffix == ".svg" else converted(text, suffix.removeprefix("."))
