"""A symbol for every entry: its shape shows the family, so that colour is not needed to read a chart."""

from collections.abc import Iterable
from dataclasses import dataclass

from reports.views import EntryView

COLOURS = ("#0f7ac0", "#d95f02", "#12926b", "#c76aa5", "#c99400", "#52a9e0", "#9a6a3c", "#7a7f87")
"""Okabe and Ito's palette at medium lightness, visible on white and on near-black."""

SHAPES = {
    "zero-shot": "M-1,-0.28H1V0.28H-1Z",
    "text prompt": "M0,-0.9A0.9,0.9,0,1,1,0,0.9A0.9,0.9,0,1,1,0,-0.9Z",
    "visual prompt": "M0,-1L1,0.8H-1Z",
    "multimodal prompt": "M0,-1.15L1.15,0L0,1.15L-1.15,0Z",
    "feature adapter": "M-0.8,-0.8H0.8V0.8H-0.8Z",
    "cache": "M0,1L-1,-0.8H1Z",
    "weight adapter": "M-0.35,-1H0.35V-0.35H1V0.35H0.35V1H-0.35V0.35H-1V-0.35H-0.35Z",
    "classifier": "M-0.6,-1L0,-0.4L0.6,-1L1,-0.6L0.4,0L1,0.6L0.6,1L0,0.4L-0.6,1L-1,0.6L-0.4,0L-1,-0.6Z",
    "ensemble": "M0,-1.2L.34,-.42L1.15,-.37L.53,.16L.73,.96L0,.52L-.73,.96L-.53,.16L-1.15,-.37L-.34,-.42Z",
}
"""SVG paths in a box from -1 to 1, for Vega and HTML."""

OTHER_SHAPE = "M-1,-0.5L0,-1L1,-0.5V0.5L0,1L-1,0.5Z"
BASELINE_COLOUR = "#7a7f87"


@dataclass(frozen=True)
class Symbol:
    """Colour and shape of one entry, the same throughout a page."""

    colour: str
    shape: str


def assign_symbols(entries: Iterable[EntryView]) -> dict[str, Symbol]:
    """A symbol by entry key; entries of one family share a colour only when the colours run out."""
    symbols: dict[str, Symbol] = {}
    used: dict[str, set[str]] = {}
    turn = 0
    for entry in sorted(entries, key=lambda e: (e.method, e.key)):
        if entry.key in symbols:
            continue
        shape = SHAPES.get(entry.family, OTHER_SHAPE)
        if entry.family == "zero-shot" and not used.get(entry.family):
            colour = BASELINE_COLOUR
        else:
            order = [COLOURS[(turn + step) % len(COLOURS)] for step in range(len(COLOURS))]
            colour = next((c for c in order if c not in used.get(entry.family, set())), order[0])
            turn += 1
        used.setdefault(entry.family, set()).add(colour)
        symbols[entry.key] = Symbol(colour, shape)
    return symbols
