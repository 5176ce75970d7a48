"""Accuracy against confidence of two methods."""

from markupsafe import Markup

from bench.analysis import Reliability, percent
from reports._format import counted
from reports.charts.drawing import CHANGING, DASHED, INK, PLOT, curve, frame, group, mark, path, svg, text
from reports.charts.plot import PlotAxis, between
from reports.titles import PANEL_TITLES
from reports.views import BoardView

FEW = 20
"""Predictions; a mark of fewer is hollow and not on the line."""
_TICKS = (0.0, 20.0, 40.0, 60.0, 80.0, 100.0)
_BAR, _HIGHEST = 18, 90
"""Width of a bar, and height of one of all predictions, in px."""


def reliability_svg(view: BoardView, split: str) -> Markup:
    """How often predictions of each confidence are right on a class split; bars are shares of the predictions."""
    ends = (PLOT.left, PLOT.right), (PLOT.bottom, PLOT.top)
    x, y = (PlotAxis(between(0, 100, *one), _TICKS) for one in ends)
    curves = {one.entry: one for one in view.reliability if one.split == split}
    label = f"Accuracy against confidence, {PANEL_TITLES.get(split, split).lower()}"
    missing = text(PLOT.left + 20, PLOT.top + 20, "Neither method has stored predictions.", more='class="missing"')
    return svg(
        PLOT.width,
        PLOT.height,
        label,
        [
            frame(PLOT, x, y, ("Confidence, %", "Accuracy, %"), "{:g}".format),
            path(f"M{PLOT.left},{PLOT.bottom}L{PLOT.right},{PLOT.top}", INK, DASHED),
            missing,
            *(group(key, CHANGING, _curve(view.entry_name(key), one, x, y)) for key, one in curves.items()),
        ],
        0,
    )


def _curve(title: str, one: Reliability, x: PlotAxis, y: PlotAxis) -> Markup:
    """Bars, line and marks of a method, and its name; the style sheet moves the bars and the name of B aside."""
    places = [(x.at(100 * found.confidence), y.at(100 * found.accuracy)) for found in one.bins]
    known = [f"{px:g},{py:g}" for (px, py), found in zip(places, one.bins, strict=True) if found.predictions >= FEW]
    marks = Markup("").join(
        mark(*place, _tip(title, found.predictions, found.confidence, found.accuracy), hollow=found.predictions < FEW)
        for place, found in zip(places, one.bins, strict=True)
    )
    line = curve("M" + "L".join(known) if known else "")
    shown = text(PLOT.left + 20, PLOT.top + 20, title, fill="currentColor", more='class="key" font-weight="700"')
    return Markup('<g class="pair">{}{}{}{}</g>').format(_bars(one, x), line, marks, shown)


def _bars(one: Reliability, x: PlotAxis) -> Markup:
    whole = sum(found.predictions for found in one.bins)
    middles = [x.at(10 * min(9, int(10 * found.confidence)) + 5) for found in one.bins]
    heights = [_HIGHEST * found.predictions / whole for found in one.bins]
    bars = "".join(f"M{at:g},{PLOT.bottom}v{-height:.1f}" for at, height in zip(middles, heights, strict=True))
    return Markup(
        '<path class="share" d="{}" stroke-width="{}" stroke-opacity=".28" stroke-linecap="butt"/>'
    ).format(bars, _BAR)  # fmt: skip


def _tip(title: str, predictions: int, confidence: float, accuracy: float) -> str:
    known = counted(predictions, "prediction")
    return f"{title}: {percent(accuracy, 1)} % right at {percent(confidence, 1)} % confidence, {known}."
