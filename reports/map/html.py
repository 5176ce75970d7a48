"""The first screen's chart and table, and the answer below them, as HTML."""

import re
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from reports.map.gain_map import GainMap
from reports.map.marks import marks, strip

SEVERAL, MANY = 12, 16
"""Datasets from which the table needs a wide window for a column of each, and from which none is wide enough."""


def map_html(
    environment: Environment,
    gains: GainMap,
    methods: Sequence[Mapping[str, Any]],
    datasets: Sequence[Mapping[str, Any]],
    anchor: str,
) -> str:
    """The chart of difficulty above the table of methods; style sheets turn both for narrow windows.

    `methods` and `datasets` are those of the page's data, with their addresses and badges.
    """
    text = environment.get_template("_map.html.j2").render(
        map=gains,
        methods=methods,
        datasets=datasets,
        anchor=anchor,
        starts=[0, *accumulate(group.size for group in gains.groups)],
        chosen=gains.row(gains.chosen),
        ties=_ties([row.rank for row in gains.ordered]),
        fits=_fits(len(gains.columns)),
        caption=caption(gains),
        dataset_marks=_dataset_marks,
        strip=strip,
        breakable=breakable,
    )
    return "\n".join(line for line in text.splitlines() if line)


def _fits(n: int) -> str:
    return "many" if n > MANY else "several" if n > SEVERAL else ""


def _dataset_marks(gains: GainMap, at: int) -> Markup:
    """The marks of the column at that place for the chosen method."""
    chosen = gains.row(gains.chosen)
    mine = None if chosen is None else chosen.cells[at].score
    theirs = None if gains.zero is None else gains.zero.cells[at].score
    other_scores = [score for row in gains.rows if row is not chosen and (score := row.cells[at].score) is not None]
    return marks(other_scores, mine, theirs)


def _ties(ranks: Sequence[str]) -> list[str]:
    """Where each row stands in the bracket of neighbours with one rank: `first`, `mid`, `last`, or `only`."""
    ties = []
    for at, rank in enumerate(ranks):
        before, after = at > 0 and ranks[at - 1] == rank, at + 1 < len(ranks) and ranks[at + 1] == rank
        ties.append("mid" if before and after else "last" if before else "first" if after else "only")
    return ties


def caption(gains: GainMap) -> str:
    """What the cells are."""
    if gains.zero is None:
        return f"{gains.title[0].upper()}{gains.title[1:]} of methods on datasets, in per cent."
    order = "from easy to hard" if gains.known else "whose difficulty is not known"
    return f"Gain in {gains.title} over zero-shot in points, by method, on datasets {order}."


def breakable(title: str) -> Markup:
    """A title that may break before a number or a capital within a word.

    Example:
        >>> str(breakable("Caltech101")), str(breakable("EuroSAT"))
        ('Caltech<wbr>101', 'Euro<wbr>SAT')
    """
    return Markup("<wbr>").join(re.split(r"(?<=[a-z])(?=[A-Z\d])|(?<=[A-Z])(?=\d)", title))
