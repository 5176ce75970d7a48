"""The map as a drawing, for papers."""

from collections.abc import Sequence

from markupsafe import Markup

from reports._format import points, shorten
from reports.charts.names import LETTER
from reports.charts.svg_drawing import ACCENT, BOLD, INK, LINE, LOSS, SOFT, STRONG, path, svg, text
from reports.map.gain_map import GainMap, MapCell, MapRow
from reports.map.marks import WHOLE, marks, side_of, strip

TONES = {
    "l6": "#963f08", "l5": "#e08a44", "l4": "#efa56c", "l3": "#f7c9a4", "l2": "#fbe0cb", "l1": "#fdf0e6",
    "g0": "#f5f5f3", "g1": "#e9f1fa", "g2": "#d3e4f5", "g3": "#b3d1ee", "g4": "#86b5e2", "g5": "#2f76bd",
    "g6": "#154f91",
}  # fmt: skip
"""The classes of colour with the light values of `style/tokens.css`."""
RANK, CELL, ROW, TIME, MEAN = 46, 46, 24, 64, 150
"""Widths of rank, cell, time and mean, and height of a row, in px."""
CHART, HEAD = 34, 212
"""Heights of the drawing above which the chart stands, and of the first row, in px."""
COLOURS = {"gain": ACCENT, "loss": LOSS, "even": SOFT}
STYLE = Markup(
    f"<style>.level{{stroke:{LINE}}}.dash{{fill:{INK}}}.dots path{{fill:none;stroke:{STRONG};stroke-width:5;"
    f"stroke-linecap:round;stroke-opacity:.6}}.theirs,.mine{{text-anchor:middle}}.theirs{{fill:{SOFT}}}"
    ".mine{font-weight:700}"
    + "".join(f"rect.{side},circle.{side},text.{side}{{fill:{colour}}}" for side, colour in COLOURS.items())
    + f".zero{{stroke:{INK};stroke-dasharray:1 2}}.far{{stroke:{SOFT};stroke-width:1.5}}.near{{fill:{ACCENT}}}"
    f"[hidden]{{display:none}}.hollow{{fill:none;stroke:{SOFT};stroke-width:1.5}}</style>"
)
"""What `style/map.css` gives the drawings of the map on the page."""
NAME_LENGTH = 26
"""The most letters of the name of a method."""


def map_svg(gains: GainMap, rows: Sequence[MapRow], pair: tuple[MapRow | None, MapRow | None] | None = None) -> Markup:
    """The chart of difficulty, and below it these rows: rank, name, mean with intervals, cells, and training time.

    The chart has the first of `pair` as discs and the second as dashes; without a pair the first row, and zero-shot.
    """
    first, second = (rows[0] if rows else None, gains.zero) if pair is None else pair
    names = [shorten(row.name, NAME_LENGTH) for row in (rows or [row for row in (first, second) if row is not None])]
    left = round(RANK + LETTER * max(map(len, names), default=0)) + 8
    cells = left + MEAN
    right = cells + CELL * len(gains.columns)
    bottom = HEAD + ROW * len(rows)
    parts = [
        STYLE,
        *_chart(gains, (first, second), cells),
        *_key(gains, first, second),
        *(_axis(gains, rows, left, bottom) if rows else ()),
        *(_row(gains, row, place, (left, cells, right)) for place, row in enumerate(rows)),
    ]
    if gains.timed and rows:
        parts.append(text(right + TIME, HEAD - 10, f"Training, {gains.unit}", "end", SOFT))
    label = f"{gains.title} on {len(gains.columns)} datasets"
    label += f": {len(rows)} methods" if rows else f": {names[0]}" if names else ""
    return svg(right + TIME + 4, bottom + (44 if rows else 0), label, parts, 0)


def _placed(drawing: Markup, x: float, y: float, width: float, height: float) -> Markup:
    """A drawing of the page, whose widths are in per cent, at a place in px."""
    return Markup('<svg x="{:g}" y="{:g}" width="{:g}" height="{:g}" overflow="visible">{}</svg>').format(
        x, y, width, height, drawing
    )


def _chart(gains: GainMap, pair: tuple[MapRow | None, MapRow | None], cells: float) -> list[Markup]:
    """The groups with the mean gain of the first method, the marks, and the names of the datasets."""
    parts, at = [], 0
    for group in gains.groups:
        gaps = [_gap(pair, place) for place in range(at, at + group.size)]
        known_gaps = [gap for gap in gaps if gap is not None]
        mean = sum(known_gaps) / len(known_gaps) if len(known_gaps) == len(gaps) and known_gaps else None
        if group.kind:
            number = "" if mean is None else f" {points(mean / 100)}"
            colour = COLOURS["even" if mean is None else side_of(mean, 0)]
            parts.append(text(cells + CELL * at + 4, 18, group.kind, more=BOLD))
            parts.append(text(cells + CELL * at + 4 + LETTER * len(group.kind), 18, number, fill=colour, more=BOLD))
        at += group.size
    for place, column in enumerate(gains.columns):
        first, second = (None if row is None else row.cells[place].score for row in pair)
        dots = [score for row in gains.rows if row not in pair and (score := row.cells[place].score) is not None]
        x = cells + CELL * place
        parts.append(_placed(marks(dots, first, second), x, CHART, CELL, WHOLE))
        title = shorten(column.title, 16)
        parts.append(
            Markup('<g transform="translate({:g},{}) rotate(-32)">{}</g>').format(
                x + CELL / 2 + 8, HEAD - 44, text(0, 0, title, "end", title=column.title)
            )
        )
    return parts


def _gap(pair: tuple[MapRow | None, MapRow | None], place: int) -> float | None:
    """The first method minus the second on a dataset, in points."""
    first, second = (None if row is None else row.cells[place].score for row in pair)
    return None if first is None or second is None else first - second


def _key(gains: GainMap, first: MapRow | None, second: MapRow | None) -> list[Markup]:
    """What the chart shows: the first method as a disc, the second as a dash."""
    parts = [text(10, 18, gains.score_title, more=BOLD)]
    if first is not None:
        parts.append(Markup('<circle cx="18" cy="50" r="5.5" fill="{}"/>').format(ACCENT))
        parts.append(text(32, 54, shorten(first.name, NAME_LENGTH), fill=ACCENT, more=BOLD))
    if second is not None:
        parts.append(path("M10,72h16", INK, 'stroke-width="3"'))
        parts.append(text(32, 76, shorten(second.name, NAME_LENGTH)))
    return parts


def _row(gains: GainMap, row: MapRow, place: int, ends: tuple[float, float, float]) -> Markup:
    left, cells, right = ends
    y = HEAD + ROW * place
    name = shorten(row.name, NAME_LENGTH)
    parts = [
        text(RANK - 10, y + 16, row.rank if row.rank != "–" else "", "end", SOFT),
        text(RANK, y + 16, name, fill=INK if row.complete else SOFT, title=row.name, more=BOLD if place == 0 else ""),
        _mean(gains, row, left, y),
        *(_cell(cell, cells + CELL * at, y) for at, cell in enumerate(row.cells)),
        text(right + TIME, y + 16, row.time, "end", SOFT),
    ]
    return Markup("").join(parts)


def _mean(gains: GainMap, row: MapRow, left: float, y: float) -> Markup:
    """The mean as a number, as a bar with its interval here, and as a line with that elsewhere."""
    number = text(left + 40, y + 16, row.gain or row.score, "end", more=BOLD)
    return number + _placed(strip(gains, row), left + 50, y + 1, MEAN - 90, ROW - 2)


def _cell(cell: MapCell, x: float, y: float) -> Markup:
    """A number on its colour; dashed where runs are missing."""
    fill = f"var(--{cell.tone},{TONES[cell.tone]})" if cell.tone else "none"
    dashed = Markup(' stroke="{}" stroke-dasharray="3 2"').format(SOFT) if cell.gap else ""
    box = Markup('<rect x="{:g}" y="{:g}" width="{}" height="{}" fill="{}"{}/>').format(
        x + 1, y + 1, CELL - 2, ROW - 2, fill, dashed
    )
    ink = "#fff" if cell.tone in ("l6", "g5", "g6") else INK
    number = Markup('<text x="{:g}" y="{:g}" text-anchor="middle" fill="{}">{}</text>').format(
        x + CELL / 2, y + 16, ink, cell.text
    )
    return box + number


def _axis(gains: GainMap, rows: Sequence[MapRow], left: float, bottom: float) -> list[Markup]:
    """The numbers of the means' axis, and what the marks are that these rows have."""
    parts = [text(left, HEAD - 10, "Mean gain, points" if gains.zero else "Mean, %", more=BOLD)]
    for tick in gains.ticks:
        x, number = round(left + 50 + (MEAN - 90) * gains.along(tick) / 100, 1), f"{tick:g}".replace("-", "−")
        parts += [path(f"M{x},{HEAD}V{bottom}", LINE), text(x, bottom + 15, number, "middle", SOFT)]
    strips = [row.strip for row in rows if row.strip is not None]
    key = ["Bar: 95 % interval here."] if any(row_strip.here is not None for row_strip in strips) else []
    key += ["Line: on similar datasets."] if any(row_strip.elsewhere is not None for row_strip in strips) else []
    key.append("Cells: gain over zero-shot, points." if gains.zero else "Cells: accuracy, %.")
    return [*parts, text(RANK, bottom + 36, " ".join(key), fill=SOFT)]
