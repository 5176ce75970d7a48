"""The picture of the first screen: accuracy against difficulty with named datasets; also for notebooks."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from markupsafe import Markup, escape

from bench.analysis import RTD, Answer, Lead, classes_of
from reports._format import counted, four_digits, points, shorten
from reports.charts.plot import Place, bar_path, spread
from reports.titles import PHRASES, DifficultyAxis, score_title
from reports.views import OverviewView

WIDTH, HEIGHT = 860, 514
LEFT, RIGHT = 46, 760
"""Ends of the x axis; the mean over datasets is shown to the right of it."""
RAIL, TOP, BOTTOM = 84, 98, 296
"""Lower ends of the dataset names, and the ends of the upper panel, in px."""
LOWER_TOP, LOWER_BOTTOM = 336, 460
NAME_GAP, NAME_LENGTH = 30, 20
"""Distance of two names in px, and the most characters of a name."""
BESIDE = 30
"""Width in px of a dataset without a place on the axis, at the right end."""
MARK_GAP = 13
"""Least distance of two datasets in px; closer datasets are moved apart."""
NAMED, ROOM, LINE = 3, 46, 14
"""How many differences, the largest ones, have their number beside them; and the width and height of a number in px."""
MEAN_BAR = ["mean,", "95 % over", "datasets"]
"""What the bar at the right is, in lines."""
CHANCE = "1 = chance"
"""Tick of the difficulty at which zero-shot accuracy is 1 / classes."""


HERO_PLACES = {
    "width": WIDTH, "height": HEIGHT, "left": LEFT, "right": RIGHT, "rail": RAIL, "top": TOP, "bottom": BOTTOM,
    "lowerTop": LOWER_TOP, "lowerBottom": LOWER_BOTTOM, "gap": NAME_GAP, "nameLength": NAME_LENGTH, "beside": BESIDE,
    "markGap": MARK_GAP, "named": NAMED, "room": ROOM, "line": LINE, "meanBar": MEAN_BAR,
    "chance": CHANCE,
}  # fmt: skip
"""Positions for the script that plots the same chart."""


@dataclass(frozen=True)
class Placed:
    """The datasets from left to right, with the positions of their points and of their names in px."""

    order: tuple[str, ...]
    x: Mapping[str, float]
    name_x: Mapping[str, float]
    ticks: tuple[tuple[float, str], ...]
    unplaced: tuple[str, ...]


def place_datasets(view: OverviewView, answer: Answer, axis: DifficultyAxis | None) -> Placed:
    """Points on the axis; datasets without a value are placed in columns at its right end."""
    along = answer.difficulty.get(axis.name, {}) if axis is not None else {}
    names = list(view.table.datasets)
    known = sorted((name for name in names if name in along), key=lambda name: (along[name], names.index(name)))
    unplaced = [name for name in names if name not in along]
    step = min(BESIDE, (RIGHT - LEFT) / len(names)) if known else (RIGHT - LEFT) / max(1, len(names))
    end = RIGHT - step * len(unplaced)
    x: dict[str, float] = {}
    ticks: list[tuple[float, str]] = []
    if known:
        log = axis is not None and axis.log
        low, high = _along(along[known[0]], log), _along(along[known[-1]], log)
        pad = 0.05 * (high - low) or 0.5

        def to_x(value: float) -> float:
            return round(LEFT + (end - LEFT) * (_along(value, log) - low + pad) / (high - low + 2 * pad), 1)

        x = dict(zip(known, spread([to_x(along[name]) for name in known], MARK_GAP, LEFT, end), strict=True))
        chance = {1.0: CHANCE} if axis is not None and axis.name == RTD else {}
        ticks = [
            (to_x(t), chance.get(t, four_digits(t)))
            for t in _ticks(along[known[0]], along[known[-1]], log)
            if LEFT <= to_x(t) <= end
        ]
    x |= {name: round(end + step * (number + 0.5), 1) for number, name in enumerate(unplaced)}
    order = (*known, *unplaced)
    name_x = dict(zip(order, spread([x[name] for name in order], NAME_GAP, LEFT, RIGHT), strict=True))
    return Placed(order, x, name_x, tuple(ticks), tuple(unplaced))


def percent_scale(
    values: Sequence[float], top: float, bottom: float, *, signed: bool = False
) -> tuple[Place, list[tuple[float, str]]]:
    """Positions of fractions between two heights, and ticks in per cent; the scale ends at 0 and 100 %."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    pad = (0.12 if signed else 0.06) * (high - low) or 0.01
    least, most = (-1.0, 1.0) if signed else (0.0, 1.0)
    low, high = max(low - pad, least), min(high + pad, most)
    steps = (m * 10.0**e for e in range(-8, 5) for m in (1, 2, 5))
    step = next(step for step in steps if (high - low) / step <= (4 if signed else 6))
    first = math.ceil(low / step)
    found = [step * number for number in range(first, math.floor(high / step) + 1)]
    digits = 1 if step < 0.01 else 0
    texts = [
        f"{100 * value:{'+' if signed and abs(value) > 1e-9 else ''}.{digits}f}".replace("-", "−") for value in found
    ]

    def to_y(value: float) -> float:
        return round(bottom - (bottom - top) * (value - low) / (high - low), 1)

    return to_y, list(zip(found, texts, strict=True))


def _ticks(low: float, high: float, log: bool) -> list[float]:
    if log:
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        return [float(f"{m}e{e}") for e in range(first, last + 1) for m in (1, 2, 5)]
    step = next((s for s in (10.0**e * m for e in range(-6, 7) for m in (1, 2, 5)) if (high - low) / s <= 6), 1.0)
    return [round(step * n, 10) for n in range(math.ceil(low / step - 1), math.floor(high / step + 1) + 1)]


def _along(value: float, log: bool) -> float:
    return math.log(value) if log else value


def hero_svg(view: OverviewView, measure: str) -> Markup:
    """The leader (A) against zero-shot, or against the next best method (B), as in the first chart of the page."""
    answer = view.answers[measure]
    axis = view.axes[0] if view.axes else None
    placed = place_datasets(view, answer, axis)
    table = view.table
    values = {(m.key, name): table.mean(m.key, name, measure) for m in table.methods for name in table.datasets}
    a, b = first_pair(view, answer)
    to_y, y_ticks = percent_scale([v for v in values.values() if v is not None], TOP, BOTTOM)
    parts = [
        _frame(view, placed, axis, measure),
        _y_axis(to_y, y_ticks, score_title(measure)),
    ]
    grey = "".join(
        f"M{placed.x[dataset]},{to_y(value)}h0" for (_, dataset), value in values.items() if value is not None
    )
    parts.append(f'<path class="others" d="{grey}"/>')
    for key, mark in ((b, "b"), (a, "a")):
        for dataset in placed.order if key is not None else ():
            value = values[key or "", dataset]
            if value is not None:
                parts.append(mark_svg(mark, placed.x[dataset], to_y(value), dash=key == view.baseline))
    if a is not None and b is not None:
        parts.append(_lower(view, answer, placed, values, a, b))
    label = escape(f"{PHRASES[measure]} of {len(view.names)} methods on {len(view.datasets)} datasets")
    return Markup(
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{label}">'
        f"{''.join(parts)}</svg>"
    )


APART = "Datasets of nearly equal difficulty are moved apart."


def hero_caption(view: OverviewView, measure: str) -> str:
    """The legend of the chart as text."""
    a, b = first_pair(view, view.answers[measure])
    marks = [] if a is None else [f"Disc: {view.names[a]}."]
    if b is not None:
        marks.append(f"{'Dash' if b == view.baseline else 'Diamond'}: {view.names[b]}.")
    marks.append(f"Grey: all {counted(len(view.names), 'method')}.")
    if b is not None:
        marks.append(
            "Below: their difference on each dataset, in the colour of the method that is ahead, and at the right its "
            "mean with the 95\u00a0% interval over datasets."
        )
    marks.append(APART)
    return " ".join(marks)


def first_pair(view: OverviewView, answer: Answer) -> tuple[str | None, str | None]:
    """A and B of the first chart: the leader and its reference, or any two methods if there is no leader."""
    if answer.lead is not None:
        return answer.leader, answer.lead.reference
    keys = [method.key for method in view.table.methods]
    a = answer.leader if answer.leader is not None else next((key for key in keys if key != view.baseline), None)
    return a, next((key for key in (view.baseline, *keys) if key is not None and key != a), None)


def mark_svg(mark: str, x: float, y: float, *, dash: bool = False) -> str:
    """A point: A is a disc, B a diamond, zero-shot a dash."""
    if dash:
        return f'<path class="mark {mark} dash" d="M{x - 7},{y}h14"/>'
    if mark == "a":
        return f'<circle class="mark a" cx="{x}" cy="{y}" r="4"/>'
    return f'<path class="mark b" d="M{x},{round(y - 5, 1)}l5,5l-5,5l-5,-5z"/>'


def axis_text(axis: DifficultyAxis, measure: str) -> str:
    """The title of the axis below the chart; difficulty with its definition and classes."""
    log = " (log scale)" if axis.log else ""
    if axis.name != RTD:
        return f"{axis.title}{log}"
    return f"{axis.title} = 1 / (classes × zero-shot accuracy), {classes_of(measure)} classes{log}"


def _frame(view: OverviewView, placed: Placed, axis: DifficultyAxis | None, measure: str) -> str:
    split = classes_of(measure)
    titles = {dataset.name: dataset.title for dataset in view.datasets}
    parts = []
    for name in placed.order:
        x, foot = placed.x[name], placed.name_x[name]
        parts.append(
            f'<path class="guide" d="M{foot},{RAIL}L{x},{TOP}V{LOWER_BOTTOM}"/><text class="name" '
            f'transform="translate({foot},{RAIL - 4}) rotate(-40)"><title>{escape(titles[name])}</title>'
            f"{escape(shorten(titles[name], NAME_LENGTH))}</text>"
        )
    parts += [
        f'<text class="tick" x="{x}" y="{LOWER_BOTTOM + 17}" text-anchor="middle">{text}</text>'
        for x, text in placed.ticks
    ]
    parts += [f'<path class="chance" d="M{x},{TOP}V{LOWER_BOTTOM}"/>' for x, text in placed.ticks if text == CHANCE]
    if placed.unplaced:
        zero = all(view.table.zero_shot.get(name, {}).get(split) == 0 for name in placed.unplaced)
        note = "no difficulty (zero-shot 0 %)" if zero else "not measured"
        parts.append(f'<text class="tick" x="{RIGHT}" y="{LOWER_BOTTOM + 32}" text-anchor="end">{note}</text>')
    if axis is not None and placed.ticks:
        middle = (LEFT + RIGHT) / 2
        title = escape(axis_text(axis, measure))
        parts.append(f'<text x="{middle}" y="{HEIGHT - 16}" text-anchor="middle">{title}</text>')
        if axis.name in (RTD, "zero_shot_error"):
            parts.append(
                f'<text x="{LEFT}" y="{HEIGHT - 16}" class="tick">← easier</text>'
                f'<text x="{RIGHT}" y="{HEIGHT - 16}" class="tick" text-anchor="end">harder →</text>'
            )
    return "".join(parts)


def _lower(
    view: OverviewView,
    answer: Answer,
    placed: Placed,
    values: Mapping[tuple[str, str], float | None],
    a: str,
    b: str,
) -> str:
    found = {name: (values[a, name], values[b, name]) for name in placed.order}
    differences = {name: x - y for name, (x, y) in found.items() if x is not None and y is not None}
    ends = (answer.lead and answer.lead.over_datasets) or ()
    to_y, ticks = percent_scale([*differences.values(), *ends, 0.0], LOWER_TOP, LOWER_BOTTOM, signed=True)
    title = escape(f"{shorten(view.names[a], 40)} minus {shorten(view.names[b], 40)}, points")
    parts = [f'<text class="panel" x="{LEFT - 40}" y="{LOWER_TOP - 16}">{title}</text>', _y_axis(to_y, ticks)]
    parts.append(f'<path class="zero" d="M{LEFT},{to_y(0.0)}H{RIGHT}"/>')
    for name, value in differences.items():
        side = "a" if value > 0 else "b"
        parts.append(f'<circle class="mark {side}" cx="{placed.x[name]}" cy="{to_y(value)}" r="4"/>')
    places = [(placed.x[name], to_y(value), value) for name, value in differences.items()]
    for x, y, value in sorted(places, key=lambda place: -abs(place[2]))[:NAMED]:
        if all(to <= x or to >= x + ROOM or abs(level - y) >= LINE for to, level, _ in places):
            parts.append(f'<text class="value" x="{round(x + 8, 1)}" y="{y + 4}">{points(value)}</text>')
    if answer.lead is not None:
        parts.append(_mean(answer.lead, to_y))
    return "".join(parts)


def _mean(lead: Lead, to_y: Place) -> str:
    x, y = RIGHT + 24, to_y(lead.mean)
    bar, lines = "", ["mean"]
    if lead.over_datasets is not None:
        low, high = lead.over_datasets
        path = bar_path(x, to_y(low), to_y(high), LOWER_TOP, LOWER_BOTTOM)
        bar, lines = f'<path class="bar" d="{path}"/>', MEAN_BAR
    texts = "".join(
        f'<text class="tick" x="{x + 10}" y="{y + 14 * number}">{text}</text>' for number, text in enumerate(lines, 1)
    )
    return (
        f'{bar}<path class="mean" d="M{x},{y - 6}l5,6l-5,6l-5,-6z"/><text class="value" x="{x + 10}" y="{y}">'
        f"{points(lead.mean)}</text>{texts}"
    )


def _y_axis(to_y: Place, ticks: Sequence[tuple[float, str]], panel: str = "") -> str:
    lines = "".join(f"M{LEFT},{to_y(value)}H{RIGHT}" for value, _ in ticks)
    labels = "".join(
        f'<text class="tick" x="{LEFT - 8}" y="{to_y(value) + 4}" text-anchor="end">{text}</text>'
        for value, text in ticks
    )
    title = "" if not panel else f'<text class="panel" x="{LEFT - 40}" y="14">{panel}</text>'
    return f'{title}<path class="grid" d="{lines}"/>{labels}'


_CLASS = "etl-bench-picture"


def hero_picture(view: OverviewView) -> str:
    """Accuracy against difficulty as an SVG in an element with the styles that the page has."""
    svg = hero_svg(view, view.measures[-1])
    return f'<div class="{_CLASS}" style="{_variables()}max-width:860px"><style>{_rules()}</style>{svg}</div>'


@cache
def _rules() -> str:
    lines = [line for line in _style("first_screen").splitlines() if line.startswith(".picture ")]
    return "".join(line.replace(".picture ", f".{_CLASS} ") for line in lines)


@cache
def _variables() -> str:
    """The colours of the page's light theme."""
    root = re.search(r":root\s*\{([^}]*)\}", _style("page"))
    assert root is not None
    found = re.findall(r"(--[\w-]+):\s*([^;]+);", root[1])
    return "".join(f"{name}:{value};" for name, value in found if '"' not in value) + "background:var(--paper);"


def _style(name: str) -> str:
    return (resources.files("reports") / "templates" / "style" / f"{name}.css").read_text("utf-8")
