"""Parts of a section as JSON, which `script/parts.js` renders. The content of a fold is rendered when it is opened."""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from reports.tables.model import Table

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


def picture(svg: str) -> Part:
    """A static chart."""
    return ["svg", str(svg)]


def chart(anchor: str, kind: str, label: str, caption: str) -> Part:
    """A chart that scripts draw from the setting's data (`chartKinds`); `label` describes it."""
    return ["chart", anchor, kind, label, str(Markup.escape(caption))]


def block(name: str) -> Part:
    """A place that the script `blocks.NAME` fills from the data of the setting (`blocks` in `script/parts.js`)."""
    return ["block", name]


def without_pictures(parts: Sequence[Part], drawings: list[str]) -> list[Part]:
    """The parts, also those of folds, with the number of each static chart in `drawings`, to which it is added."""
    found = []
    for part in parts:
        if part[0] == "svg":
            drawings.append(part[1])
            part = ["svg", len(drawings) - 1]
        elif part[0] == "fold":
            part = [*part[:4], without_pictures(part[4], drawings)]
        found.append(part)
    return found


def without_folds(parts: Sequence[Part], folds: dict[str, list[Part]]) -> list[Part]:
    """The parts with empty folds; their content is stored in `folds` by anchor."""
    found = []
    for part in parts:
        if part[0] == "fold":
            folds[part[1]] = without_folds(part[4], folds)
            part = part[:4]
        found.append(part)
    return found
