"""Parts of a section as JSON, and as HTML for the setting that the page is written with.

`script/parts.js` renders the same HTML from the same data. The content of a fold is rendered when it is opened.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from reports.tables.html import table_html
from reports.tables.model import Table

Part = list[Any]


def paragraph(html: str, classes: str = "note") -> Part:
    """A paragraph; plain text is escaped, `Markup` is kept."""
    return ["p", str(Markup.escape(html)), classes]


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


def without_folds(parts: Sequence[Part], folds: dict[str, list[Part]]) -> list[Part]:
    """The parts with empty folds; their content is stored in `folds` by anchor."""
    found = []
    for part in parts:
        if part[0] == "fold":
            folds[part[1]] = without_folds(part[4], folds)
            part = part[:4]
        found.append(part)
    return found


def without_pictures(parts: Sequence[Part]) -> list[Part]:
    """The parts of a section that is rendered once, without the charts that the HTML contains."""
    return [picture("") if part[0] == "svg" else part for part in parts]


def parts_html(parts: Sequence[Part], methods: Sequence[Mapping[str, Any]], blocks: Mapping[str, Markup]) -> Markup:
    """The parts in order; `methods` of the setting, and tables of blocks by name."""
    return Markup("").join(_html(part, methods, blocks) for part in parts)


def _html(part: Part, methods: Sequence[Mapping[str, Any]], blocks: Mapping[str, Markup]) -> Markup:
    kind, *rest = part
    if kind == "table":
        return table_html(rest[0], methods)
    if kind == "heading":
        return Markup(
            '<h4 id="{0}">{1} <a class="self" tabindex="-1" href="#{0}" aria-label="Link to {1}">#</a></h4>'
        ).format(*rest)
    if kind == "fold":
        fold_html = '<details class="card" id="{}"><summary><b>{}</b> <span>{}</span></summary></details>'
        return Markup(fold_html).format(*rest[:3])
    if kind == "svg":
        return Markup('<div class="scroll drawing">{}</div>').format(Markup(rest[0]))
    if kind == "block":
        return Markup('<div class="block" data-block="{}">{}</div>').format(rest[0], blocks.get(rest[0], ""))
    if kind == "chart":
        return Markup(
            '<figure class="chart" id="{}" data-kind="{}"><div class="tools needs-script"></div>'
            '<div class="picture" tabindex="0" role="group" aria-label="{}"><noscript>This chart needs JavaScript.'
            '</noscript></div><div class="tip" role="status" hidden></div><figcaption>{}</figcaption></figure>'
        ).format(*rest[:3], Markup(rest[3]))
    return Markup('<p class="{}">{}</p>').format(rest[1], Markup(rest[0]))
