"""Positions in the picture of the first screen: its panels, the datasets along the x axis, and the scales."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reports._format import plain
from reports.charts.axes import Place, spread
from reports.views import AnswerView, AxisView, OverviewView

WIDTH, HEIGHT = 860, 514
LEFT, RIGHT = 46, 760
"""Ends of the x axis; the mean over datasets is shown to the right of it."""
RAIL, TOP, BOTTOM = 84, 98, 296
"""Lower ends of the dataset names, and the ends of the upper panel, in px."""
LOWER_TOP, LOWER_BOTTOM = 336, 460
NAME_GAP, NAME_LENGTH = 30, 20
"""Distance of two names in px, and the most characters of a name."""
DIFFICULTY = "relative_transfer_difficulty"
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


PLACES = {
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


def place_datasets(view: OverviewView, answer: AnswerView, axis: AxisView | None) -> Placed:
    """Points on the axis; datasets without a value are placed in columns at its right end."""
    along = answer.difficulty.get(axis.name, {}) if axis is not None else {}
    names = [dataset.name for dataset in view.datasets]
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
        chance = {1.0: CHANCE} if axis is not None and axis.name == DIFFICULTY else {}
        ticks = [
            (to_x(t), chance.get(t, plain(t)))
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
    """Positions of fractions between two heights, and ticks in per cent."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    pad = (0.12 if signed else 0.06) * (high - low) or 0.01
    low, high = low - pad, high + pad
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
