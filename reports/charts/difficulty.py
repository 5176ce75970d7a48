"""Accuracy against difficulty: two methods on datasets from easy to hard, and their differences.

It is drawn here, for the page, files and notebooks: wide, and with datasets as rows for narrow windows. On the page,
`script/difficulty.js` moves the marks for another pair, score or order, with the numbers of `charts/pair_numbers.py`.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from reports._format import shorten
from reports.charts.drawing import ACCENT, BOLD, INK, LINE, LOSS, PAPER, SOFT, STRONG, path, text
from reports.charts.names import LETTER
from reports.charts.pair_numbers import PairNumbers, first_numbers
from reports.titles import score_title
from reports.views import OverviewView

LEFT, TOP, BOTTOM, LOWER_TOP, LOWER_BOTTOM, HEIGHT = 46, 98, 298, 346, 446, 506
"""Ends of the panels of the wide drawing in px."""
ROOM, BESIDE = 670, 90
"""The width of the datasets up to 33, and of the mean at their right, in px."""
NARROWEST, WIDEST, NUMBERED = 20, 61, 40
"""Least and largest distance of two datasets, and the least that leaves room for the numbers of differences, in px."""
ROW_WIDTH, ROW = 288, 38
"""Width of the narrow drawing, and height of a dataset in it, in px."""
NAME = 20
"""The most characters of the name of a dataset."""
SCALES = tuple(
    ends for size in (2, 5, 10, 20, 50, 100) for ends in ((-size / 4, size), (-size, size / 4), (-float(size), size))
)
"""Ends of the panel of differences in points; the first that holds all differences is shown."""


@dataclass(frozen=True)
class Frame:
    """Where datasets and scores stand in px.

    Args:
        turned: whether datasets are rows.
        start, step: middle of the first dataset, and distance of two.
        zero, unit: place of a score of 0 %, and px of 1 %.
    """

    turned: bool
    start: float
    step: float
    zero: float
    unit: float

    def score(self, percent: float) -> float:
        """The place of a score."""
        return round(self.zero + self.unit * percent, 1)

    def move(self, across: float, along: float = 0.0) -> str:
        """A transform to a place across the datasets, and along them."""
        x, y = (across, along) if self.turned else (along, across)
        return f"translate({x:g},{y:g})"

    def line(self, name: str, ends: tuple[float, float] | None, look: str) -> Markup:
        """A line across the datasets; hidden without ends."""
        low, high = ends or (0.0, 0.0)
        axis = "x" if self.turned else "y"
        return Markup('<line data-span="{0}" {1}1="{2:g}" {1}2="{3:g}" {4}{5}/>').format(
            name, axis, low, high, Markup(look), _hidden(ends is None)
        )


def difficulty_svg(view: OverviewView) -> Markup:
    """Both drawings, of which style sheets show one: A and B of `first_pair` by the measure that orders the methods."""
    shown = first_numbers(view)
    return _wide(view, shown) + _narrow(view, shown)


def difficulty_picture(view: OverviewView) -> Markup:
    """The wide drawing with its legend, for notebooks."""
    shown = first_numbers(view)
    return Markup("<figure>{}<figcaption>{}</figcaption></figure>").format(_wide(view, shown), shown.caption)


def difficulty_figure(view: OverviewView, pair: tuple[str | None, str | None]) -> tuple[Markup, str]:
    """The wide drawing of two methods, and its legend, for files."""
    shown = first_numbers(view, pair)
    return _wide(view, shown), shown.caption


def difficulty_caption(view: OverviewView) -> str:
    """The legend of the first pair as text."""
    return first_numbers(view).caption


def _wide(view: OverviewView, shown: PairNumbers) -> Markup:
    """Scores above, differences below."""
    n = max(1, len(view.datasets))
    step = min(WIDEST, max(NARROWEST, ROOM // n))
    frame = Frame(turned=False, start=LEFT + step / 2, step=step, zero=BOTTOM, unit=(TOP - BOTTOM) / 100)
    right = LEFT + step * n
    parts = [
        text(0, 14, score_title(shown.measure), more=f'data-text="score" {BOLD}'),
        *(_level(frame.score(level), f"{level}", right) for level in (0, 20, 40, 60, 80, 100)),
        Markup('<g data-part="lower"{}>{}</g>').format(_hidden(shown.b is None), _lower(shown, right)),
        *_columns(view, shown, frame),
        text(LEFT, HEIGHT - 8, shown.order.title, more='data-text="axis"'),
    ]
    width = max(right + BESIDE, LEFT + LETTER * len(shown.order.title))
    return _svg("wide", width, HEIGHT, frame, parts)


def _narrow(view: OverviewView, shown: PairNumbers) -> Markup:
    """Datasets as rows, with their differences as numbers."""
    frame = Frame(turned=True, start=66, step=ROW, zero=8, unit=2.1)
    bottom = 42 + ROW * len(view.datasets)
    levels = [
        path(f"M{frame.score(level):g},42V{bottom}", LINE) + text(frame.score(level), 32, f"{level}", "middle", SOFT)
        for level in (0, 25, 50, 75, 100)
    ]
    lower = [
        text(ROW_WIDTH, 13, "difference, points", "end", more=BOLD),
        text(0, bottom + 24, "Mean difference", more=BOLD),
        _number(ROW_WIDTH, bottom + 24, "mean", shown.mean or "–"),
    ]
    parts = [
        text(0, 13, score_title(shown.measure), more=f'data-text="score" {BOLD}'),
        *levels,
        *_columns(view, shown, frame),
        Markup('<g data-part="lower"{}>{}</g>').format(_hidden(shown.b is None), Markup("").join(lower)),
        text(0, bottom + 46, shown.order.title, more='data-text="axis"'),
    ]
    return _svg("narrow", ROW_WIDTH, bottom + 54, frame, parts)


def _svg(name: str, width: float, height: float, frame: Frame, parts: Iterable[Markup]) -> Markup:
    start = Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" class="{0}" viewBox="0 0 {1:g} {2:g}" width="{1:g}" height="{2:g}" '
        'font-size="12" aria-hidden="true" data-frame="{3}" '
        'data-gain="{4}" data-loss="{5}">'
    ).format(name, width, height, json.dumps(vars(frame)), ACCENT, LOSS)
    return Markup("{}{}{}</svg>").format(start, _area(0, 0, width, height, PAPER), Markup("").join(parts))


def _columns(view: OverviewView, shown: PairNumbers, frame: Frame) -> list[Markup]:
    """Everything of each dataset in a group, which the script moves to its place in another order."""
    return [
        Markup('<g data-d="{}" transform="{}" color="{}">{}{}</g>').format(
            dataset,
            frame.move(0, frame.start + frame.step * rank),
            LOSS if (shown.gaps[dataset] or 0) < 0 else ACCENT,
            (_row_texts if frame.turned else _column_texts)(view, shown, frame.step, dataset),
            Markup("").join(_marks(shown, frame, dataset)),
        )
        for rank, dataset in enumerate(shown.order.datasets)
    ]


def _row_texts(view: OverviewView, shown: PairNumbers, step: float, dataset: int) -> Markup:
    name = Markup('<tspan data-text="name">{}</tspan><tspan dx="6" style="fill:{}" data-text="x">{}</tspan>').format(
        shorten(view.datasets[dataset].title, NAME), SOFT, shown.order.texts[dataset]
    )
    number = _number(ROW_WIDTH, 4, "difference", shown.gap_text(dataset))
    return _area(0, -step / 2, ROW_WIDTH, step, "none") + text(0, -12, name) + number


def _column_texts(view: OverviewView, shown: PairNumbers, step: float, dataset: int) -> Markup:
    """The names, and the disc of the difference, whose number stands beyond it, seen from 0."""
    title, gap = shorten(view.datasets[dataset].title, NAME), shown.gaps[dataset]
    disc = Markup('<g data-part="gap" transform="translate(0,{:g})"{}><circle r="4.5" fill="currentColor"/>{}</g>')
    number = _number(0, 18 if (gap or 0) < 0 else -9, "difference", shown.gap_text(dataset), "middle")
    return Markup("").join(
        [
            _area(-step / 2, 0, step, HEIGHT - 24, "none"),
            path(f"M0,{TOP - 8}V{BOTTOM}M0,{LOWER_TOP}V{LOWER_BOTTOM}", LINE, 'data-part="guide"'),
            Markup('<g transform="translate(4,{})">{}</g>').format(
                TOP - 12, text(0, 0, title, more='data-text="name" transform="rotate(-40)"')
            ),
            text(0, LOWER_BOTTOM + 34, shown.order.texts[dataset], "middle", SOFT, more='data-text="x"'),
            disc.format(_place(_scale(shown), gap or 0), _hidden(gap is None), number if step >= NUMBERED else ""),
        ]
    )


def _marks(shown: PairNumbers, frame: Frame, dataset: int) -> list[Markup]:
    """All methods, the line from B to A, and the marks of zero-shot, B and A."""
    known = [score for row in shown.means if (score := row[dataset]) is not None]
    places: dict[float | None, float] = {score: frame.score(score / 100) for score in known}
    others = "".join(f"M{place:g},0h0" if frame.turned else f"M0,{place:g}h0" for place in places.values())
    zero, b, a = (places.get(shown.score(method, dataset)) for method in (shown.baseline, shown.b, shown.a))
    dash, diamond = "M0,-8v16" if frame.turned else "M-8,0h16", '<path d="M0,-5l5,5l-5,5l-5,-5z" fill="{}"/>'

    def mark(name: str, place: float | None, content: Markup) -> Markup:
        at = frame.move(place or 0)
        return Markup('<g data-mark="{}" transform="{}"{}>{}</g>').format(name, at, _hidden(place is None), content)

    return [
        path(others, STRONG, 'data-part="others" stroke-width="5" stroke-linecap="round" stroke-opacity=".55"'),
        frame.line("link", None if a is None or b is None else (a, b), 'stroke="currentColor" stroke-opacity=".55"'),
        mark("zero", zero, path(dash, INK, 'stroke-width="3"')),
        mark("b", None if shown.b == shown.baseline else b, Markup(diamond).format(INK)),
        mark("a", a, Markup('<circle r="4.5" fill="{}"/>').format(ACCENT)),
    ]


def _lower(shown: PairNumbers, right: float) -> Markup:
    """The panel of differences: its scales, of which one is shown, and at the right the mean as a diamond.

    A bar is the interval of the mean on these datasets, a thin line that on others.
    """
    chosen, frame = _scale(shown), Frame(turned=False, start=0, step=0, zero=0, unit=0)
    scale = Markup('<g data-scale="{}"{}>{}</g>')
    scales = [
        scale.format([*ends, LOWER_TOP, LOWER_BOTTOM], _hidden(ends != chosen), _levels(ends, right)) for ends in SCALES
    ]
    lines = [
        frame.line(name, None if ends is None else (_place(chosen, ends[0]), _place(chosen, ends[1])), look)
        for name, ends, look in (
            ("elsewhere", shown.elsewhere, f'stroke="{INK}" stroke-width="1.5"'),
            ("here", shown.here, f'stroke="{INK}" stroke-width="4"'),
        )
    ]
    texts = _number(12, 0, "mean", shown.mean or "–", "start") + text(12, 15, "mean", fill=SOFT)
    mean = Markup(
        '<g data-part="mean" transform="translate({},0)"{}>{}<g data-part="at" transform="translate(0,{:g})">'
        '<path d="M0,-6l5,6l-5,6l-5,-6z" fill="{}"/>{}</g></g>'
    )
    y = _place(chosen, 0 if shown.test is None else 1e4 * shown.test.mean)
    shown_mean = mean.format(right + 20, _hidden(shown.test is None), Markup("").join(lines), y, INK, texts)
    title = text(0, LOWER_TOP - 22, shown.pair_title, more=f'data-text="pair" {BOLD}')
    return title + Markup("").join(scales) + shown_mean


def _scale(shown: PairNumbers) -> tuple[float, float]:
    known = [gap for gap in shown.gaps if gap is not None]
    return next(ends for ends in SCALES if all(100 * ends[0] <= gap <= 100 * ends[1] for gap in known))


def _place(scale: tuple[float, float], hundredths: float) -> float:
    """The height of a difference in 0.01 points, within the panel."""
    inside = min(max(hundredths / 100, scale[0]), scale[1])
    return round(LOWER_BOTTOM - (LOWER_BOTTOM - LOWER_TOP) * (inside - scale[0]) / (scale[1] - scale[0]), 1)


def _levels(ends: tuple[float, float], right: float) -> Markup:
    size = max(-ends[0], ends[1])
    ticks = [tick for tick in (-size, -size / 2, 0, size / 2, size) if ends[0] <= tick <= ends[1]]
    texts = [f"{tick:+g}".replace("-", "−") if tick else "0" for tick in ticks]
    levels = (_level(_place(ends, 100 * tick), name, right) for tick, name in zip(ticks, texts, strict=True))
    return Markup("").join(levels)


def _level(y: float, number: str, right: float) -> Markup:
    return path(f"M{LEFT},{y:g}H{right:g}", LINE) + text(LEFT - 8, y + 4, number, "end", SOFT)


def _hidden(hidden: bool) -> Markup:
    return Markup(' display="none"' if hidden else "")


def _area(x: float, y: float, width: float, height: float, fill: str) -> Markup:
    """A rectangle under the pointer."""
    return Markup('<rect x="{:g}" y="{:g}" width="{:g}" height="{:g}" fill="{}" pointer-events="all"/>').format(
        x, y, width, height, fill
    )


def _number(x: float, y: float, name: str, number: str, anchor: str = "end") -> Markup:
    """A number that the script changes."""
    return text(x, y, number, anchor, more=f'data-text="{name}" {BOLD}')
