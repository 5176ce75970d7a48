"""The drawings of the map: the band above its columns, and the strips of its rows. x is in per cent, y in px."""

from markupsafe import Markup

from reports.map.model import GainMap, MapRow

TOP, HEIGHT = 8, 68
"""The place of 100 % in the band, and its distance to 0 %, in px."""
LEVELS = (100, 50, 0)
"""The scores with a line in the band, in per cent."""
HALF = 13
"""Half the length of the dash of zero-shot, in px."""


def height_of(score: float) -> str:
    """The height of a score within the band, from its top; the score is in per cent.

    Example:
        >>> height_of(100), height_of(25.5)
        ('0%', '74.5%')
    """
    return f"{100 - score:.4g}%"


def band(shown: GainMap) -> Markup:
    """Zero-shot (dash) and the chosen method (disc) on every dataset, from easy to hard; scripts move the discs."""
    n = len(shown.columns)
    chosen = next((row for row in shown.rows if row.number == shown.chosen), None)
    levels = Markup("").join(
        Markup('<line class="level" x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(height_of(level)) for level in LEVELS
    )
    marks = Markup("").join(_marks(shown, chosen, index, n) for index in range(n))
    return Markup(
        '<svg class="band-plot" width="100%" height="{}" aria-hidden="true">'
        '<svg y="{}" height="{}" overflow="visible">{}{}</svg></svg>'
    ).format(HEIGHT + 2 * TOP, TOP, HEIGHT, levels, marks)


def _marks(shown: GainMap, chosen: MapRow | None, index: int, n: int) -> Markup:
    """The marks of one dataset, in a drawing of its own in the middle of its column."""
    zero = None if shown.zero is None else shown.zero.cells[index].score
    cell = None if chosen is None else chosen.cells[index]
    mine = None if cell is None else cell.score
    side = "gain" if cell is None else cell.side
    parts = []
    if zero is not None:
        y = height_of(zero)
        parts.append(Markup('<line class="dash" x1="-{0}" x2="{0}" y1="{1}" y2="{1}"/>').format(HALF, y))
    if chosen is not None:
        hidden = Markup("" if mine is not None else ' hidden=""')
        y = height_of(mine or 0)
        parts.insert(
            0, Markup('<line class="stem {}" y1="{}" y2="{}"{}/>').format(side, height_of(zero or mine or 0), y, hidden)
        )
        parts.append(Markup('<circle class="{}" cy="{}" r="4.5"{}/>').format(side, y, hidden))
    return Markup('<svg class="at" x="{}%" overflow="visible">{}</svg>').format(
        round(100 * (index + 0.5) / n, 2), Markup("").join(parts)
    )


def strip(shown: GainMap, row: MapRow) -> Markup:
    """The interval here as a bar, the one elsewhere as a line with ends, and a mean without interval as a disc."""
    if row.strip is None:
        return Markup("")
    parts, ends = [], (-2, 24) if shown.dense else (-11, 33)
    if shown.zero is not None:
        parts.append(Markup('<line class="zero" x1="{0}%" x2="{0}%" y1="{1}" y2="{2}"/>').format(shown.along(0), *ends))
    if row.strip.elsewhere is not None:
        low, high = (shown.along(end) for end in row.strip.elsewhere)
        parts.append(Markup('<line class="far" x1="{}%" x2="{}%" y1="11" y2="11"/>').format(low, high))
        parts += [Markup('<line class="far" x1="{0}%" x2="{0}%" y1="7" y2="15"/>').format(end) for end in (low, high)]
    if row.strip.here is None:
        kind = "hollow" if row.apart else "near"
        parts.append(Markup('<circle class="{}" cx="{}%" cy="11" r="4"/>').format(kind, shown.along(row.strip.mean)))
    else:
        low, high = (shown.along(end) for end in row.strip.here)
        width = max(round(high - low, 2), 1)
        parts.append(Markup('<rect class="near" x="{}%" width="{}%" y="7" height="8" rx="1"/>').format(low, width))
    return Markup('<svg class="strip-plot" width="100%" height="22" aria-hidden="true">{}</svg>').format(
        Markup("").join(parts)
    )


def strip_axis(shown: GainMap) -> Markup:
    """The numbers above the strips."""
    sign = "" if shown.zero is None else "+"
    numbers = Markup("").join(
        Markup('<text x="{}%" y="11" text-anchor="middle">{}</text>').format(
            shown.along(tick), f"{tick:{sign if tick else ''}g}".replace("-", "−")
        )
        for tick in shown.ticks
    )
    return Markup('<svg class="strip-axis" width="100%" height="14" aria-hidden="true">{}</svg>').format(numbers)
