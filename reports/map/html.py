"""The map and the answers below it as HTML."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from jinja2 import Environment
from markupsafe import Markup

from reports.advice import Card
from reports.map.drawing import band, strip, strip_axis
from reports.map.model import GainMap, MapColumn, MapRow


@dataclass(frozen=True)
class MapLinks:
    """Addresses within the page: of a method, a dataset and a cell, and of the chart of a method and zero-shot.

    A cell of zero-shot leads to the dataset, another one to what its method changed; it is empty without predictions.

    Args:
        badges: class, text and explanation of the marks beside the name of a method.
    """

    method: Callable[[str], str]
    dataset: Callable[[str], str]
    cell: Callable[[MapRow, MapColumn], str]
    pair: Callable[[str], str]
    badges: Callable[[str], Sequence[Sequence[str]]]


def map_html(environment: Environment, shown: GainMap, links: MapLinks, anchor: str) -> str:
    """The map as a table, and turned for narrow windows, where datasets are rows."""
    chosen = next((row for row in shown.rows if row.number == shown.chosen), None)
    starts = [0, *accumulate(group.size for group in shown.groups)]
    text = environment.get_template("_map.html.j2").render(
        map=shown,
        links=links,
        anchor=anchor,
        edges=set(starts),
        chosen_name="" if chosen is None else chosen.name,
        caption=caption(shown),
        band=band,
        strip=strip,
        strip_axis=strip_axis,
        scale=scale(),
        breakable=breakable,
    )
    return "\n".join(line for line in text.splitlines() if line)


def caption(shown: GainMap) -> str:
    """What the cells are."""
    if shown.zero is None:
        return f"{shown.title[0].upper()}{shown.title[1:]} of methods on datasets, in per cent."
    order = "from easy to hard" if shown.known else "whose difficulty is not known"
    return (
        f"Gain in {shown.title} over zero-shot in points, by method, on datasets {order}; first zero-shot, in per cent."
    )


def breakable(title: str) -> Markup:
    """A title that may break before a number or a capital within a word.

    Example:
        >>> str(breakable("Caltech101")), str(breakable("EuroSAT"))
        ('Caltech<wbr>101', 'Euro<wbr>SAT')
    """
    return Markup("<wbr>").join(re.split(r"(?<=[a-z])(?=[A-Z\d])|(?<=[A-Z])(?=\d)", title))


def answers_html(environment: Environment, shown: GainMap, card: Card | None) -> str:
    """What to take, below the map; empty without advice."""
    return environment.get_template("_answers.html.j2").render(map=shown, card=card).strip()


def scale() -> Markup:
    """The key of the classes of colour, with the gains at which they begin."""
    classes = [*(f"l{size}" for size in range(6, 0, -1)), *(f"g{size}" for size in range(7))]
    numbers = ("−48", "−24", "−12", "−6", "−3", "−1", "+1", "+3", "+6", "+12", "+24", "+48")
    cells = Markup("").join(
        Markup('<i class="{}">{}</i>').format(one, Markup("<u>{}</u>").format(number) if number else "")
        for one, number in zip(classes, (*numbers, ""), strict=True)
    )
    return Markup('<span class="scale" aria-hidden="true">{}</span>').format(cells)
