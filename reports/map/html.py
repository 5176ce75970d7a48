"""The first screen's chart and table, and the answer below them, as HTML."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from jinja2 import Environment
from markupsafe import Markup

from reports.map.gain_map import GainMap
from reports.map.marks import marks, strip

SEVERAL, MANY = 12, 16
"""Datasets from which the table needs a wide window for a column of each, and from which none is wide enough."""


@dataclass(frozen=True)
class MapLinks:
    """Addresses within the page: of a method and a dataset.

    Args:
        badges: class, text and explanation of the marks beside the name of a method.
    """

    method: Callable[[str], str]
    dataset: Callable[[str], str]
    badges: Callable[[str], Sequence[Sequence[str]]]


def map_html(environment: Environment, shown: GainMap, links: MapLinks, anchor: str) -> str:
    """The chart of difficulty above the table of methods; style sheets turn both for narrow windows."""
    text = environment.get_template("_map.html.j2").render(
        map=shown,
        links=links,
        anchor=anchor,
        starts=[0, *accumulate(group.size for group in shown.groups)],
        chosen=shown.row(shown.chosen),
        ties=_ties([row.rank for row in shown.ordered]),
        fits=_fits(len(shown.columns)),
        caption=caption(shown),
        dataset_marks=_dataset_marks,
        strip=strip,
        breakable=breakable,
    )
    return "\n".join(line for line in text.splitlines() if line)


def _fits(n: int) -> str:
    return "many" if n > MANY else "several" if n > SEVERAL else ""


def _dataset_marks(shown: GainMap, at: int) -> Markup:
    """The marks of the column at that place for the chosen method."""
    chosen = shown.row(shown.chosen)
    mine = None if chosen is None else chosen.cells[at].score
    theirs = None if shown.zero is None else shown.zero.cells[at].score
    others = [score for row in shown.rows if row is not chosen and (score := row.cells[at].score) is not None]
    return marks(others, mine, theirs)


def _ties(ranks: Sequence[str]) -> list[str]:
    """Where each row stands in the bracket of neighbours with one rank: `first`, `mid`, `last`, or `only`."""
    found = []
    for at, rank in enumerate(ranks):
        before, after = at > 0 and ranks[at - 1] == rank, at + 1 < len(ranks) and ranks[at + 1] == rank
        found.append("mid" if before and after else "last" if before else "first" if after else "only")
    return found


def caption(shown: GainMap) -> str:
    """What the cells are."""
    if shown.zero is None:
        return f"{shown.title[0].upper()}{shown.title[1:]} of methods on datasets, in per cent."
    order = "from easy to hard" if shown.known else "whose difficulty is not known"
    return f"Gain in {shown.title} over zero-shot in points, by method, on datasets {order}."


def breakable(title: str) -> Markup:
    """A title that may break before a number or a capital within a word.

    Example:
        >>> str(breakable("Caltech101")), str(breakable("EuroSAT"))
        ('Caltech<wbr>101', 'Euro<wbr>SAT')
    """
    return Markup("<wbr>").join(re.split(r"(?<=[a-z])(?=[A-Z\d])|(?<=[A-Z])(?=\d)", title))
