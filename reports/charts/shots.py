"""Accuracy against the number of training images per class: the mean, and every dataset."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from markupsafe import Markup

from bench.analysis import Entry, Estimate
from bench.score_texts import score_text
from reports._format import counted, shorten
from reports.charts.names import Box, place_names
from reports.charts.plot import PlotAxis, linear_axis, log_axis
from reports.charts.svg_drawing import (
    BOLD,
    CHANGING,
    DASHED,
    LINE,
    SOFT,
    Pair,
    group,
    mark,
    name,
    path,
    svg,
    text,
)  # fmt: skip
from reports.tables.page_table import whole, whole_sides
from reports.titles import SCORE_TITLES
from reports.views import BoardView, OverviewView

COLUMNS, WIDTH, HEIGHT = 4, 215, 150
"""Columns of panels, and size of a panel in px; the panel of the mean is as large as four others."""
NAMES = 150
"""Width of the names in the panel of the mean in px."""


@dataclass(frozen=True)
class _Series:
    """One entry: its scores by number of shots, None without one."""

    key: str
    name: str
    values: Sequence[Estimate | None]


@dataclass(frozen=True)
class _Panel:
    """A panel with its axes; `ends` are those of its plot, `names` is whether lines have names."""

    title: str
    ends: Box
    counts: Sequence[int]
    x: PlotAxis
    y: PlotAxis
    names: bool

    def place(self, count: int, value: float) -> tuple[float, float]:
        """Where a score in percent stands."""
        return self.x.at(count), self.y.at(value)


def shots_svg(boards: Sequence[BoardView], overview: OverviewView, measure: str, pair: Pair = CHANGING) -> Markup:
    """Scores of boards that differ in the shots only, by increasing shots; datasets from easy to hard.

    A and B have marks with their intervals, other methods lines. The dashed line is zero-shot.
    """
    counts = [board.board.setting.shots for board in boards]
    places = overview.answers[overview.table.measures[-1]].places
    datasets = sorted(overview.datasets, key=lambda facts: places.get(facts.name, math.inf))
    corners = [(0, 0), *map(_corner, range(len(datasets)))]
    content = [(f"Mean {SCORE_TITLES[measure]}", _series(boards, partial(_score, measure, None)))]
    content += [(facts.title, _series(boards, partial(_score, measure, facts.name))) for facts in datasets]
    parts = [
        _drawn(_panel(title, corner, counts, series, large=not number), series, overview.table.baseline, pair)
        for number, ((title, series), corner) in enumerate(zip(content, corners, strict=True))
    ]
    height = max(2 * HEIGHT, corners[-1][1] + HEIGHT) + 20
    counts_text = ", ".join(map(str, counts))
    label = f"Accuracy against shots ({counts_text}), on average and on {counted(len(datasets), 'dataset')}"
    parts.append(text(COLUMNS * WIDTH / 2, height - 6, "Training images per class (log scale)", "middle"))
    return svg(COLUMNS * WIDTH, height, label, parts, len(content[0][1]))


def _corner(number: int) -> tuple[int, int]:
    """Where the panel of a dataset begins: beside the large one, then in rows below it."""
    if number < COLUMNS:
        return WIDTH * (2 + number % 2), HEIGHT * (number // 2)
    return WIDTH * (number % COLUMNS), HEIGHT * (1 + number // COLUMNS)


def _series(boards: Sequence[BoardView], score: Callable[[BoardView, Entry], Estimate | None]) -> list[_Series]:
    """The entries of all boards that have a score, those of the last board first."""
    names = {entry.key: board.entry_name(entry.key) for board in reversed(boards) for entry in board.board.entries}
    rows: dict[str, list[Estimate | None]] = {key: [] for key in names}
    for board in boards:
        entries = {entry.key: entry for entry in board.board.entries}
        for key, row in rows.items():
            row.append(score(board, entries[key]) if key in entries else None)
    return [_Series(key, names[key], row) for key, row in rows.items() if any(value is not None for value in row)]


def _score(measure: str, dataset: str | None, board: BoardView, entry: Entry) -> Estimate | None:
    """The score on a dataset, or the mean of a complete entry."""
    if dataset is None:
        return board.board.average(entry.key, measure) if entry.complete else None
    return board.board.score(entry.key, dataset, measure) if dataset in board.board.datasets else None


def _panel(
    title: str, corner: tuple[int, int], counts: Sequence[int], series: Sequence[_Series], *, large: bool
) -> _Panel:
    (x, top), size = corner, 2 if large else 1
    ends = (x + 34, top + 28, x + size * WIDTH - 12 - large * NAMES, top + size * HEIGHT - 28)
    estimates = [value for line in series for value in line.values if value is not None]
    y = linear_axis(_reached(estimates), ends[3], ends[1], most=4 * size)
    return _Panel(title, ends, counts, log_axis(counts, ends[0] + 6, ends[2]), y, large)


def _reached(values: Sequence[Estimate]) -> list[float]:
    """The least and the largest score or end of an interval in percent; long intervals do not set the scale."""
    means = [value.mean for value in values]
    least, largest = min(means), max(means)
    ends = [end for value in values for end in (value.low, value.high) if end is not None]
    room = 0.5 * (largest - least)
    return [100 * max(min([least, *ends]), least - room), 100 * min(max([largest, *ends]), largest + room)]


def _drawn(panel: _Panel, series: Sequence[_Series], zero: str | None, pair: Pair) -> Markup:
    """Grid, ticks, title and the lines of a panel; that of zero-shot is below the others."""
    left, top, right, bottom = panel.ends
    parts = [path("".join(f"M{left},{panel.y.at(tick)}H{right + 6}" for tick in panel.y.ticks), LINE)]
    parts += [text(left - 5, panel.y.at(tick) + 4, f"{tick:g}", "end", SOFT) for tick in panel.y.ticks]
    parts += [text(panel.place(count, 0)[0], bottom + 15, str(count), "middle", SOFT) for count in panel.counts]
    parts.append(text(left - 30, top - 12, shorten(panel.title, 26), title=panel.title, more=BOLD))
    by_key = {line.key: line for line in series}
    ends = {key: panel.place(*_last(panel.counts, line)) for key, line in by_key.items()}
    names, room = {key: line.name for key, line in by_key.items()}, (left, top - 8, right + NAMES, bottom)
    labels = place_names(ends, names, room, left=False)
    order = sorted(pair.order(by_key), key=lambda key: key != zero)
    for key in order:
        drawn = _level(panel, by_key[key]) if key == zero else _line(panel, by_key[key], pair)
        parts.append(group(key, pair, drawn + (name(labels, key, pair) if panel.names else "")))
    scale = panel.y.at(0) - panel.y.at(100)  # px of 100 %
    facts = {"title": panel.title, "counts": panel.counts, "scale": scale, "top": top - 6, "bottom": bottom}
    return Markup('<g data-panel="{}">{}</g>').format(json.dumps(facts), Markup("").join(parts))


def _last(counts: Sequence[int], series: _Series) -> tuple[int, float]:
    """The largest number of shots with a score, and the score in percent."""
    means = [(count, 100 * value.mean) for count, value in zip(counts, series.values, strict=True) if value is not None]
    return means[-1]


def _level(panel: _Panel, series: _Series) -> Markup:
    y = panel.place(*_last(panel.counts, series))[1]
    return path(f"M{panel.ends[0]},{y}H{panel.ends[2] + 6}", "currentColor", DASHED)


def _line(panel: _Panel, series: _Series, pair: Pair) -> Markup:
    """The line of an entry, broken where it has no score, and a mark where no line is.

    A file has marks and bars of A and B; on the page, `script/charts.js` makes them from the scores.
    """
    outline, marks, bars, joined = "", Markup(""), "", False
    is_marked = not pair.changes and pair.shows(series.key)
    for count, value, after in zip(panel.counts, series.values, (*series.values[1:], None), strict=True):
        if value is not None:
            x, y = panel.place(count, 100 * value.mean)
            outline += f"{'L' if joined else 'M'}{x:g},{y:g}"
            if is_marked or not (joined or after is not None):
                score = score_text(value.mean, value.low, value.high)
                marks += mark(x, y, f"{panel.title}, {counted(count, 'shot')}: {series.name} {score} %", small=True)
            if is_marked:
                bars += _bar(panel, x, value)
        joined = value is not None
    scores = [None if value is None else [whole(value.mean), whole_sides(value)] for value in series.values]
    line = Markup('<path class="curve" d="{}" stroke-width="1.5"{}/>').format(
        outline, Markup(' data-scores="{}"').format(json.dumps(scores, separators=(",", ":"))) if pair.changes else ""
    )
    return line + path(bars, "currentColor", 'stroke-width="2"') + marks if is_marked else line + marks


def _bar(panel: _Panel, x: float, value: Estimate) -> str:
    """The outline of an interval, within the panel."""
    if value.low is None or value.high is None:
        return ""
    low, high = (panel.y.at(100 * end) for end in (value.low, value.high))
    return f"M{x:g},{min(low, panel.ends[3]):g}V{max(high, panel.ends[1] - 6):g}"
