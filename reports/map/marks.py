"""The drawings of the map: the marks of a dataset in the chart of difficulty, and the strips of rows.

x is in per cent of the width and y in px, so page, phone and file have one drawing. Style sheets turn it for
narrow windows, with the scores in the variables `--a` and `--b`.
"""

import math
from collections.abc import Iterable

from markupsafe import Markup

from reports.map.classes import tone_of
from reports.map.gain_map import GainMap, MapRow

TOP, HEIGHT, WHOLE = 20, 86, 122
"""The place of 100 % in the chart, its distance to 0 %, and the height with room for numbers, in px."""
LEVELS = (100, 50, 0)
"""The scores with a line in the chart, in per cent."""


def height_of(score: float) -> float:
    """The height of a score within the chart, from its top in px; the score is in per cent.

    Example:
        >>> height_of(100), height_of(25)
        (20.0, 84.5)
    """
    return round(TOP + HEIGHT * (1 - score / 100), 1)


def side_of(mine: float | None, theirs: float | None) -> str:
    """Whether the chosen method is better (`gain`), worse (`loss`) or within a point (`even`); a lone score is a gain.

    Example:
        >>> side_of(54.0, 50.0), side_of(50.0, 50.9), side_of(40.0, 50.0)
        ('gain', 'even', 'loss')
    """
    if mine is None or theirs is None:
        return "gain"
    tone = tone_of((mine - theirs) / 100)
    return "even" if tone == "g0" else "loss" if tone.startswith("l") else "gain"


def marks(other_scores: Iterable[float], mine: float | None, theirs: float | None) -> Markup:
    """One dataset: the chosen method (disc), what it is compared with (dash), both scores, and other methods (dots).

    Scores are in per cent; a score that is not known has a hidden mark. The higher mark has its number above it and the
    lower one below, so numbers never meet. `script/map.js` moves the marks for another pair.
    """
    side = side_of(mine, theirs)
    above = mine is None or theirs is None or mine >= theirs
    disc, dash = height_of(mine or 0), height_of(theirs or 0)
    levels = Markup("").join(
        Markup('<line class="level" x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(height_of(level)) for level in LEVELS
    )
    dots = "".join(f"M0,{height_of(score):g}h0" for score in sorted(set(other_scores)))
    hidden = [Markup("") if score is not None else Markup(' hidden=""') for score in (mine, theirs)]
    low, high = sorted((disc, dash if theirs is not None else disc))
    return Markup(
        '<svg class="marks" width="100%" height="{}" aria-hidden="true">{}'
        '<svg class="dots" x="50%" overflow="visible"><path d="{}"/></svg>'
        '<rect class="stem {}" x="50%" width="2" transform="translate(-1,0)" y="{:g}" height="{:g}"{}/>'
        '<rect class="dash" x="32%" width="36%" y="{:g}" height="3"{}/>'
        '<circle class="{}" cx="50%" cy="{:g}" r="5.5"{}/>'
        '<text class="theirs" x="50%" y="{:g}"{}>{}</text><text class="mine {}" x="50%" y="{:g}"{}>{}</text></svg>'
    ).format(
        WHOLE, levels, dots, side, low, high - low, hidden[0], dash - 1.5, hidden[1], side, disc, hidden[0],
        beside(dash, above=not above), hidden[1], score_text(theirs),
        side, beside(disc, above=above), hidden[0], score_text(mine),
    )  # fmt: skip


def beside(height: float, *, above: bool) -> float:
    """The base line of a number above or below a mark."""
    return round(height + (-9 if above else 16), 1)


def score_text(score: float | None) -> str:
    """A score without decimals; empty without one."""
    return "" if score is None else f"{math.floor(score + 0.5)}"


def strip(gains: GainMap, row: MapRow) -> Markup:
    """The interval here as a bar, the one elsewhere as a line, and a mean without interval as a disc."""
    if row.strip is None:
        return Markup("")
    parts, ends = [], (-2, 24) if gains.dense else (-11, 33)
    if gains.zero is not None:
        parts.append(Markup('<line class="zero" x1="{0}%" x2="{0}%" y1="{1}" y2="{2}"/>').format(gains.along(0), *ends))
    if row.strip.elsewhere is not None:
        low, high = (gains.along(end) for end in row.strip.elsewhere)
        parts.append(Markup('<line class="far" x1="{}%" x2="{}%" y1="11" y2="11"/>').format(low, high))
    if row.strip.here is None:
        kind = "hollow" if row.apart else "near"
        parts.append(Markup('<circle class="{}" cx="{}%" cy="11" r="4"/>').format(kind, gains.along(row.strip.mean)))
    else:
        low, high = (gains.along(end) for end in row.strip.here)
        width = max(round(high - low, 2), 1)
        parts.append(Markup('<rect class="near" x="{}%" width="{}%" y="7" height="8"/>').format(low, width))
    return Markup('<svg class="strip-plot" width="100%" height="22" aria-hidden="true">{}</svg>').format(
        Markup("").join(parts)
    )
