"""What the charts share: colours, the marks and names of methods, and the frame of a plot.

A chart is SVG text. Colours are variables of the page with their light values, for other places. What belongs to a
method is a group with its key as `data-m`. On the page, a script gives the groups of the two chosen methods the
classes `a` and `b`; a file is drawn with both.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape

from reports._format import shorten
from reports.charts.names import NAME_LENGTH, Box, Label
from reports.charts.plot import PlotAxis

ACCENT, INK, SOFT = "var(--accent,#1b5fa8)", "var(--ink,#14181d)", "var(--soft,#57606b)"
LOSS = "var(--loss,#b8500e)"
STRONG, LINE, PAPER = "var(--strong,#aeb6c0)", "var(--line,#dfe3e8)", "var(--paper,#fff)"
MOST_NAMED = 15
"""Methods whose names all stand beside their marks; of more, only the two chosen ones have names."""
_COLOURS = {"a": ACCENT, "b": INK, "": STRONG}


@dataclass(frozen=True)
class Pair:
    """The methods A (blue disc) and B (ink diamond) of a drawing, and whether it can be changed, as on the page.

    A drawing that can be changed has what only A and B show for every method; style sheets hide it.
    """

    sides: Mapping[str, str] = field(default_factory=dict)
    changes: bool = True

    def side(self, key: str) -> str:
        """`a`, `b` or empty."""
        return self.sides.get(key, "")

    def shows(self, key: str) -> bool:
        """Whether the drawing has what only A and B show, for this method."""
        return self.changes or key in self.sides

    def order(self, keys: Iterable[str]) -> list[str]:
        """The keys with B and A last, so that they are above the others."""
        return sorted(keys, key=lambda key: {"a": 2, "b": 1}.get(self.side(key), 0))


CHANGING = Pair()
"""Of the page: no method has a colour, and a script chooses two."""


def fixed_pair(a: str | None, b: str | None) -> Pair:
    """The pair of a file."""
    return Pair({key: side for key, side in ((b, "b"), (a, "a")) if key is not None}, changes=False)


def svg(width: float, height: float, label: str, parts: Iterable[str], methods: int) -> Markup:
    """A drawing with a text for readers who do not see it, and with how many methods have names."""
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0:g} {1:g}" width="{0:g}" height="{1:g}" role="img" '
        'aria-label="{2}" class="{3}" font-size="12" fill="{4}">{5}</svg>'
    ).format(width, height, label, "many" if methods > MOST_NAMED else "", INK, Markup("").join(parts))


def group(key: str, pair: Pair, content: str) -> Markup:
    """What belongs to a method."""
    side = pair.side(key)
    return Markup(
        '<g data-m="{}" class="{}" color="{}" fill="none" stroke="currentColor" stroke-linecap="{}">{}</g>'
    ).format(key, side, _COLOURS[side], "square" if side == "b" else "round", content)


def mark(x: float, y: float, tip: str, *, hollow: bool = False, small: bool = False, classes: str = "") -> Markup:
    """A disc; a diamond in the group of B, whose line ends are square. `tip` is shown when a reader points at it."""
    width = 7 if small else 9
    place = f"M{x:g},{y:g}l.1,.1"
    named = escape(f"mark {classes}".strip())
    disc = Markup(f'<path class="{named}" d="{place}" stroke-width="{width}" data-tip="{escape(tip)}"/>')
    return disc + Markup(f'<path d="{place}" stroke-width="{width - 3.5}" stroke="{PAPER}"/>') if hollow else disc


def name(labels: Mapping[str, Label], key: str, pair: Pair) -> Markup:
    """The name of a method beside its mark, and a line from it to its mark where it stands apart.

    A file of many methods has only the names of A and B.
    """
    label, side = labels[key], pair.side(key)
    if len(labels) > MOST_NAMED and not pair.shows(key):
        return Markup("")
    line = Markup('<path class="name" d="{}" stroke-width=".75"/>').format(label.line) if label.line else ""
    fill, more = "currentColor" if side else SOFT, f'class="name" {BOLD if side else ""}'.rstrip()
    short_name = shorten(label.text, NAME_LENGTH)
    return line + text(label.x, label.y, short_name, label.anchor, fill, title=label.text, more=more)


def text(
    x: float, y: float, content: str, anchor: str = "start", fill: str = INK, *, title: str = "", more: str = ""
) -> Markup:
    """Text on a rim of paper; `title` is the whole text of a shortened one, `more` are attributes."""
    whole = Markup("<title>{}</title>").format(title) if title not in ("", content) else ""
    return Markup(
        '<text x="{:g}" y="{:g}" text-anchor="{}" fill="{}" stroke="{}" stroke-width="3" paint-order="stroke"{}>'
        "{}{}</text>"
    ).format(x, y, anchor, fill, PAPER, Markup(f" {more}" if more else ""), whole, content)


def path(d: str, stroke: str, more: str = "") -> Markup:
    """A line that belongs to no method; `more` are attributes."""
    return Markup('<path d="{}" fill="none" stroke="{}"{}/>').format(d, stroke, Markup(f" {more}" if more else ""))


def steps(places: Sequence[tuple[float, float]]) -> str:
    """The outline of a stepped line through places; empty for none."""
    if not places:
        return ""
    (x, y), *later = places
    return f"M{x:g},{y:g}" + "".join(f"H{x:g}V{y:g}" for x, y in later)


BOLD = 'font-weight="700"'
DASHED = 'stroke-dasharray="5 4" stroke-opacity=".6"'


@dataclass(frozen=True)
class Plot:
    """Ends of a plot in px within its drawing."""

    width: float = 860
    height: float = 360
    left: float = 52
    right: float = 690
    top: float = 30
    bottom: float = 312

    @property
    def ends(self) -> Box:
        """Where names may stand."""
        return self.left, self.top - 14, self.width, self.bottom


PLOT = Plot()


def frame(plot: Plot, x: PlotAxis, y: PlotAxis, titles: tuple[str, str], tick_text: Callable[[float], str]) -> Markup:
    """Grid, ticks and titles (x, y) of a plot; ticks that would touch are left out."""
    parts = [
        path("".join(f"M{plot.left},{y.at(tick)}H{plot.right}" for tick in y.ticks), LINE),
        path(f"M{plot.left},{plot.bottom}H{plot.right}", STRONG),
        *(text(plot.left - 8, y.at(tick) + 4, f"{tick:g}", "end", SOFT) for tick in y.ticks),
    ]
    last = -math.inf
    for tick in x.ticks:
        if x.at(tick) - last >= 40:
            last = x.at(tick)
            parts.append(text(last, plot.bottom + 17, tick_text(tick), "middle", SOFT))
    parts.append(text(plot.left - 44, 16, titles[1], more=BOLD))
    parts.append(text((plot.left + plot.right) / 2, plot.height - 8, titles[0], "middle"))
    return Markup("").join(parts)
