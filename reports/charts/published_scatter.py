"""Our numbers against those that papers print, with the line on which both are equal."""

from collections.abc import Sequence

from markupsafe import Markup

from bench.papers import Catalogue, ReproductionRow, ReproductionVerdict
from bench.score_texts import percent
from reports._format import counted
from reports.charts.plot import linear_axis
from reports.titles import PHRASES

SIDE, LEFT, BOTTOM, TOP = 400, 56, 372, 28
"""Right end of the square, its other ends, in px."""


def published_scatter(rows: Sequence[ReproductionRow], catalogue: Catalogue) -> Markup:
    """One mark for each number: x as printed, y ours, on the same scale; hollow if our run has other settings.

    A mark names method, dataset, both numbers, verdict and source.
    """
    values = [100 * value for row in rows for value in (row.published, row.ours)]
    x, y = linear_axis(values, LEFT, SIDE), linear_axis(values, BOTTOM, TOP)
    grid = "".join(f"M{LEFT},{y.at(tick)}H{SIDE}M{x.at(tick)},{BOTTOM}V{TOP}" for tick in x.ticks)
    ticks = Markup("").join(
        Markup('<text x="{}" y="{}" text-anchor="middle">{:g}</text><text x="{}" y="{}" text-anchor="end">{:g}</text>')
        .format(x.at(tick), BOTTOM + 16, tick, LEFT - 7, y.at(tick) + 4, tick)
        for tick in x.ticks
    )  # fmt: skip
    marks = Markup("").join(
        Markup('<circle class="{}" cx="{}" cy="{}" r="4.5"><title>{}</title></circle>').format(
            "other" if row.verdict == ReproductionVerdict.PROTOCOL_DIFFERS else "same",
            x.at(100 * row.published), y.at(100 * row.ours), _tip(row, catalogue),
        )
        for row in sorted(rows, key=lambda row: row.verdict != ReproductionVerdict.PROTOCOL_DIFFERS)
    )  # fmt: skip
    height, middle = BOTTOM + 44, (LEFT + SIDE) / 2
    return Markup(
        '<svg class="against" viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img" '
        'aria-label="Our accuracy against the printed one: {2}">'
        '<path class="grid" d="{3}"/><path class="equal" d="M{4},{5}L{6},{7}"/>{8}'
        '<text class="panel" x="8" y="16">Ours, %</text>'
        '<text x="{9}" y="{10}" text-anchor="middle">Printed, %</text>{11}</svg>'
    ).format(
        SIDE + 12, height, counted(len(rows), "number"), grid, LEFT, BOTTOM, SIDE, TOP, ticks, middle, height - 8,
        marks,
    )  # fmt: skip


def _tip(row: ReproductionRow, catalogue: Catalogue) -> str:
    what = PHRASES.get(row.split, row.split)
    return (
        f"{catalogue.method(row.method).title} on {catalogue.dataset(row.dataset).title}, {what}: printed "
        f"{percent(row.published)} %, ours {percent(row.ours)} % ({row.verdict}). {row.sources[0]}"
    )
