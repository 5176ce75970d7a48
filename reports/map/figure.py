"""The map as a drawing, for papers."""

from collections.abc import Sequence
from dataclasses import replace

from markupsafe import Markup

from reports._format import shorten
from reports.charts.drawing import ACCENT, BOLD, INK, LINE, LOSS, SOFT, STRONG, path, svg, text
from reports.charts.names import LETTER
from reports.map.drawing import HEIGHT, TOP, band, strip
from reports.map.model import GainMap, MapCell, MapRow

TONES = {
    "l6": "#9a3906", "l5": "#dd722c", "l4": "#ed9d6b", "l3": "#fabd98", "l2": "#fed6bf", "l1": "#ffe8dc",
    "g0": "#f3f4f6", "g1": "#e3effe", "g2": "#cce2fe", "g3": "#aacfff", "g4": "#81b6f9", "g5": "#468de5",
    "g6": "#0050a0",
}  # fmt: skip
"""The classes of colour with the light values of `style/tokens.css`."""
RANK, CELL, ROW, TIME, MEAN = 46, 46, 24, 64, 150
"""Widths of rank, cell, time and mean, and height of a row, in px."""
BAND, HEAD = 76, 208
"""Heights of 100 % in the band, and of the first row, in px."""
BOTTOM = BAND + HEIGHT
STYLE = Markup(
    f"<style>.level{{stroke:{LINE}}}.dash{{stroke:{INK};stroke-width:3}}.stem{{stroke-width:1.5}}"
    f".stem.gain{{stroke:{ACCENT}}}.stem.loss{{stroke:{LOSS}}}.stem.even{{stroke:{SOFT}}}"
    f"circle.gain{{fill:{ACCENT}}}circle.loss{{fill:{LOSS}}}circle.even{{fill:{SOFT}}}"
    f".zero{{stroke:{INK};stroke-dasharray:1 2}}.far{{stroke:{SOFT};stroke-width:1.5}}.near{{fill:{ACCENT}}}"
    f"[hidden]{{display:none}}.hollow{{fill:none;stroke:{SOFT};stroke-width:1.5}}</style>"
)
"""What `style/map.css` gives the drawings of the map on the page."""
NAME_LENGTH = 26
"""The most letters of the name of a method."""


def map_svg(shown: GainMap, rows: Sequence[MapRow]) -> Markup:
    """Rows of the map in that order: rank, name, mean with its intervals, the cells, and the training time.

    Above: zero-shot (dash) and the first row (disc) on every dataset, and the scores of zero-shot.
    """
    names = [shorten(row.name, NAME_LENGTH) for row in rows]
    left = round(RANK + LETTER * max(map(len, names), default=0)) + 8
    cells = left + MEAN
    right = cells + CELL * len(shown.columns)
    bottom = HEAD + ROW * len(rows)
    chosen = replace(shown, chosen=rows[0].number if rows else None)
    parts = [
        STYLE,
        _placed(band(chosen), cells, BAND - TOP, right - cells, HEIGHT + 2 * TOP),
        *_levels(cells),
        *_key(shown, names),
        *_heads(shown, cells),
        *_axis(shown, rows, left, bottom),
        *(_row(shown, row, place, (left, cells, right)) for place, row in enumerate(rows)),
    ]
    if shown.timed:
        parts.append(text(right + TIME, HEAD - 10, "Time", "end", SOFT))
    label = f"{shown.title}: {len(rows)} methods on {len(shown.columns)} datasets"
    return svg(right + TIME + 4, bottom + 44, label, parts, 0)


def _placed(drawing: Markup, x: float, y: float, width: float, height: float) -> Markup:
    """A drawing of the page, whose widths are in per cent, at a place in px."""
    return Markup('<svg x="{:g}" y="{:g}" width="{:g}" height="{:g}" overflow="visible">{}</svg>').format(
        x, y, width, height, drawing
    )


def _levels(left: float) -> list[Markup]:
    return [
        text(left - 6, BAND + HEIGHT * (100 - level) / 100 + 4, f"{level} %", "end", SOFT) for level in (0, 50, 100)
    ]


def _key(shown: GainMap, names: Sequence[str]) -> list[Markup]:
    """What the band shows: the first row as a disc, zero-shot as a dash."""
    disc = Markup('<circle cx="{}" cy="{}" r="4.5" fill="{}"/>').format(RANK + 8, BAND + 4, ACCENT)
    found = [disc, text(RANK + 24, BAND + 8, names[0], more=BOLD)] if names else []
    if shown.zero is not None:
        found.append(path(f"M{RANK},{BAND + 24}h16", INK, 'stroke-width="3"'))
        found.append(text(RANK + 24, BAND + 28, shown.zero.name))
    return [*found, text(RANK, BAND - 14, shown.score_title, more=BOLD)]


def _heads(shown: GainMap, cells: float) -> list[Markup]:
    """The name of each dataset, the score of zero-shot, and the groups."""
    parts = []
    for place, column in enumerate(shown.columns):
        x = cells + CELL * (place + 0.5)
        title = Markup('<g transform="translate({:g},{}) rotate(-40)">{}</g>').format(
            x - 4, BAND - 10, text(0, 0, shorten(column.title, 16), title=column.title)
        )
        parts += [title, text(x, BOTTOM + 20, column.zero, "middle", SOFT)]
    at = cells
    for group in shown.groups:
        width = CELL * group.size - 6
        name = next((one for one in (f"{group.kind} {group.times}", group.kind) if 6.5 * len(one) <= width), "")
        if group.kind:
            parts += [path(f"M{at + 3:g},{HEAD - 24}h{width}", STRONG), text(at + 4, HEAD - 10, name)]
        at += CELL * group.size
    return [*parts, text(cells - 6, BOTTOM + 20, "Zero-shot" if shown.zero else "", "end", SOFT)]


def _row(shown: GainMap, row: MapRow, place: int, ends: tuple[float, float, float]) -> Markup:
    left, cells, right = ends
    y = HEAD + ROW * place
    name = shorten(row.name, NAME_LENGTH)
    parts = [
        text(RANK - 10, y + 16, row.rank if row.rank != "–" else "", "end", SOFT),
        text(RANK, y + 16, name, fill=INK if row.complete else SOFT, title=row.name, more=BOLD if place == 0 else ""),
        _mean(shown, row, left, y),
        *(_cell(cell, cells + CELL * at, y) for at, cell in enumerate(row.cells)),
        text(right + TIME, y + 16, row.time, "end", SOFT),
    ]
    return Markup("").join(parts)


def _mean(shown: GainMap, row: MapRow, left: float, y: float) -> Markup:
    """The mean as a number, as a bar with its interval here, and as a line with that elsewhere."""
    number = text(left + 40, y + 16, row.gain or row.score, "end", more=BOLD)
    return number + _placed(strip(shown, row), left + 50, y + 1, MEAN - 90, ROW - 2)


def _cell(cell: MapCell, x: float, y: float) -> Markup:
    """A number on its colour; dashed where runs are missing."""
    fill = f"var(--{cell.tone},{TONES[cell.tone]})" if cell.tone else "none"
    dashed = Markup(' stroke="{}" stroke-dasharray="3 2"').format(SOFT) if cell.gap else ""
    box = Markup('<rect x="{:g}" y="{:g}" width="{}" height="{}" fill="{}"{}/>').format(
        x + 1, y + 1, CELL - 2, ROW - 2, fill, dashed
    )
    ink = "#fff" if cell.tone in ("l6", "g6") else INK
    number = Markup('<text x="{:g}" y="{:g}" text-anchor="middle" fill="{}">{}</text>').format(
        x + CELL / 2, y + 16, ink, cell.text
    )
    return box + number


def _axis(shown: GainMap, rows: Sequence[MapRow], left: float, bottom: float) -> list[Markup]:
    """The numbers of the means' axis, and what the marks are that these rows have."""
    parts = [text(left, HEAD - 10, "Mean gain, points" if shown.zero else "Mean, %", more=BOLD)]
    for tick in shown.ticks:
        x, number = round(left + 50 + (MEAN - 90) * shown.along(tick) / 100, 1), f"{tick:g}".replace("-", "−")
        parts += [path(f"M{x},{HEAD}V{bottom}", LINE), text(x, bottom + 15, number, "middle", SOFT)]
    strips = [row.strip for row in rows if row.strip is not None]
    key = ["Bar: 95 % interval here."] if any(one.here is not None for one in strips) else []
    key += ["Line: on similar datasets."] if any(one.elsewhere is not None for one in strips) else []
    key.append("Cells: gain over zero-shot, points." if shown.zero else "Cells: accuracy, %.")
    return [*parts, text(RANK, bottom + 36, " ".join(key), fill=SOFT)]
