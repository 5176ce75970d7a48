"""Parts of a section as JSON, which `script/parts.js` renders. The content of a fold is rendered when it is opened."""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from reports.tables.page_table import Table

Part = list[Any]


def paragraph(html: str, classes: str = "note") -> Part:
    """A paragraph; plain text is escaped, `Markup` is kept."""
    return ["p", str(Markup.escape(html)), classes]


def html(text: Markup) -> Part:
    """Any HTML."""
    return ["html", str(text)]


def heading(anchor: str, text: str) -> Part:
    """A heading with a link to itself."""
    return ["heading", anchor, text]


def table(content: Table) -> Part:
    """A table."""
    return ["table", content.data()]


def fold(anchor: str, title: str, note: str, parts: Sequence[Part]) -> Part:
    """Parts that are hidden until the reader opens them."""
    return ["fold", anchor, title, note, list(parts)]


def chart(anchor: str, kind: str, caption: str, choice: str, drawings: Sequence[tuple[str, str]]) -> Part:
    """A drawing of several, each with the title by which it is chosen.

    Args:
        kind: names the chart in its file name.
        choice: the title of the list to choose from; without it, titles are scores, and the shown one is chosen.
    """
    return ["chart", anchor, kind, str(Markup.escape(caption)), choice, [[title, str(svg)] for title, svg in drawings]]


def without_pictures(parts: Sequence[Part], drawings: list[str]) -> list[Part]:
    """The parts, also those of folds, with the number of each drawing in `drawings`, to which a new one is added."""
    numbered_parts = []
    for part in parts:
        if part[0] == "chart":
            part = [*part[:5], [[title, numbered(svg, drawings)] for title, svg in part[5]]]
        elif part[0] == "fold":
            part = [*part[:4], without_pictures(part[4], drawings)]
        numbered_parts.append(part)
    return numbered_parts


def numbered(value: Any, values: list[Any]) -> int:
    """The index of a value in the list; a new value is appended."""
    if value not in values:
        values.append(value)
    return values.index(value)


def without_folds(parts: Sequence[Part], folds: dict[str, list[Part]]) -> list[Part]:
    """The parts with empty folds; their content is stored in `folds` by anchor."""
    open_parts = []
    for part in parts:
        if part[0] == "fold":
            folds[part[1]] = without_folds(part[4], folds)
            part = part[:4]
        open_parts.append(part)
    return open_parts
