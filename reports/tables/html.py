"""Tables as HTML, for the setting that the page is written with.

`script/tables.js` renders the same HTML from the same data; a test compares them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from reports._format import counted

_HEADING = {
    "text": "text",
    "method": "text",
    "badge": "text",
    "sources": "text",
    "link": "text",
    "bar": "interval-head",
}
"""Class of a heading by kind, `num` for the others."""
_FORMATS = ("CSV", "LaTeX", "Markdown")


def table_html(table: Mapping[str, Any], methods: Sequence[Mapping[str, Any]]) -> Markup:
    """A table from `Table.data()`; `methods` are those of its setting."""
    every = range(len(table["rows"]))
    shown = [at for at in every if at < table.get("first", len(every)) or at in table.get("pinned", ())]
    rows, classes = (
        [found[at] for at in shown] for found in (table["rows"], table.get("rowClasses") or [""] * len(every))
    )
    caption = f"<caption><span>{table['caption']}</span></caption>" if "caption" in table else ""
    head = f"<tr>{''.join(_heading(column) for column in table['columns'])}</tr>{_band(table)}"
    body = "".join(_row(row, cls, table["columns"], methods) for row, cls in zip(rows, classes, strict=True))
    return Markup(
        f'<div class="table" data-table="{escape(table["id"])}">{_tools(table)}<div class="scroll">'
        f'<table class="{table.get("classes", "")}" id="{escape(table["id"])}">{caption}<thead>{head}</thead>'
        f"<tbody>{body}</tbody></table></div></div>"
    )


def _band(table: Mapping[str, Any]) -> str:
    """The numbers of the row below the headings, if there is one; scripts draw a picture above them."""
    if "band" not in table:
        return ""
    before, cells = table["band"]["from"], table["band"]["cells"]
    after = len(table["columns"]) - before - len(cells)
    texts = "".join(f"<td>{escape(text)}</td>" for text in cells)
    return f'<tr class="band"><td colspan="{before}"></td>{texts}{"<td></td>" * after}</tr>'


def _tools(table: Mapping[str, Any]) -> str:
    chips = ""
    if "filters" in table:
        counts = {text: table["filters"].count(text) for text in dict.fromkeys(table["filters"])}
        buttons = "".join(
            f'<button type="button" class="chip" aria-pressed="false" data-filter="{escape(text)}" '
            f'title="{counted(n, "row")}">{escape(text)}</button>'
            for text, n in counts.items()
        )
        name = escape(table["filterName"])
        chips = f'<div class="chips" role="group" aria-label="Filter by {name}"><span>{name}:</span>{buttons}</div>'
    names = (*_FORMATS, "BibTeX") if "copies" in table else _FORMATS
    formats = "".join(f'<button type="button" class="chip" data-format="{name}">{name}</button>' for name in names)
    return (
        f'<div class="table-tools needs-script">{chips}<div class="copies" role="group" aria-label="Copy the table">'
        f'<span>Copy:</span>{formats}<span role="status"></span></div></div>'
    )


def _heading(column: Sequence[str]) -> str:
    title, kind, hint, classes, group = [*column, *["number", "", "", ""][len(column) - 1 :]]
    cls = f"{_HEADING.get(kind, 'num')} {classes}".strip()
    tip = f' title="{escape(hint)}"' if hint else ""
    above = f'<span class="group">{escape(group)}</span>' if group else ""
    return f'<th scope="col" class="{cls}"{tip}>{above}<span class="sort">{escape(title)}</span></th>'


def _row(row: Sequence[Any], cls: str, columns: Sequence[Sequence[str]], methods: Sequence[Mapping[str, Any]]) -> str:
    kinds = [column[1] if len(column) > 1 else "number" for column in columns]
    head = kinds.index("method") if "method" in kinds else 0
    cells = (
        _cell(cell, kind, methods, is_head=index == head)
        for index, (cell, kind) in enumerate(zip(row, kinds, strict=True))
    )
    return f'<tr class="{cls}">{"".join(cells)}</tr>' if cls else f"<tr>{''.join(cells)}</tr>"


def _cell(cell: Any, kind: str, methods: Sequence[Mapping[str, Any]], *, is_head: bool) -> str:
    value, more, tip, classes = [*cell, None, None, None][:4] if isinstance(cell, list) else (cell, None, None, None)
    text, style, small = _shown(value, more, kind, methods)
    base = {"bar": "interval-cell"}.get(kind, _HEADING.get(kind, "num"))
    cls = " ".join(part for part in (base, "tinted" if style else "", classes or "") if part)
    note = f'<span class="need">{escape(small)}</span>' if small else ""
    title = f' title="{escape(tip)}"' if tip else ""
    tag, scope = ("th", ' scope="row"') if is_head else ("td", "")
    return f'<{tag}{scope} class="{cls}"{style}{title}>{text}{note}</{tag}>'


def reach_of(sides: int | Sequence[int]) -> str:
    """Distances to the ends of an interval: one number for both, or two."""
    return f"±{sides / 100:.2f}" if isinstance(sides, int) else "−{:.2f}/+{:.2f}".format(*(x / 100 for x in sides))


def _shown(value: Any, more: Any, kind: str, methods: Sequence[Mapping[str, Any]]) -> tuple[str, str, str | None]:
    """Text, style and small line of a cell."""
    if kind == "word":
        return str(escape("–" if more is None else more)), "", None
    if value is None:
        return str(escape(more)) if isinstance(more, str) else "–", "", None
    if kind == "method":
        return _method(methods[value]), "", more
    if kind == "badge":
        return f'<b class="badge b-{escape(value.replace(" ", "-"))}">{escape(value)}</b>', "", more
    if kind == "link":
        return f'<a href="#{escape(more)}">{escape(value)}</a>', "", None
    if kind == "pair":
        tint = _tint(value, more[0]) if more[0] else ""
        return f'<a href="#{escape(more[1])}">{signed_tenths(value)}</a>', tint, None
    if kind == "heat":
        score = f"{(value + 5) // 10 / 10:.1f}"
        return (score, "", None) if more is None else (score, _tint(*more), signed_tenths(more[0]))
    if kind == "sources":
        return " ".join(f'<a href="#source-{number}">[{number}]</a>' for number in value), "", more
    if kind == "percent":
        return f"{value / 100:.2f}", "", more
    if kind == "pm":
        half = f'<span class="pm">{reach_of(more)}</span>' if more is not None else ""
        return f'<span class="mean">{value / 100:.2f}</span>{half}', "", None
    if kind == "points":
        return signed_hundredths(value), "", more
    if kind == "tenths":
        return signed_tenths(value), "", more
    if kind == "tint":
        return signed_tenths(value), _tint(value, more), None
    if kind == "bar":
        return _bar(value, more), "", None
    if kind == "of":
        return f'{value[0]}<span class="of">/{value[1]}</span>', "", None
    return str(escape(value)), "", more


def _tint(value: int, share: int) -> str:
    return f' style="--tint:var(--{"a" if value > 0 else "b"});--share:{share / 100:.2f}"'


def signed_hundredths(hundredths: int) -> str:
    """A difference in 0.01 points with its sign: -120 is −1.20."""
    sign = "" if hundredths == 0 else "−" if hundredths < 0 else "+"
    return f"{sign}{abs(hundredths) / 100:.2f}"


def signed_tenths(hundredths: int) -> str:
    """A difference in 0.01 points with its sign and one decimal: -120 is −1.2."""
    tenths = (abs(hundredths) + 5) // 10
    sign = "" if tenths == 0 else "−" if hundredths < 0 else "+"
    return f"{sign}{tenths / 10:.1f}"


def _method(method: Mapping[str, Any]) -> str:
    key, name = escape(method["address"]), escape(method["name"])
    badges = "".join(
        f'<span class="label {cls}" title="{escape(tip)}">{escape(text)}</span>' for cls, text, tip in method["badges"]
    )
    label = f'<span class="label">{escape(method["label"])}</span>' if method["label"] else ""
    family = f'<span class="family">{escape(method["family"])}</span>' if method["family"] else ""
    link = f'<a class="method" href="#{key}" title="{name}"><span>{escape(method["title"])}</span></a>'
    return f"{link}{label}{family}{badges}"


def _bar(values: Sequence[int | None], address: str | None) -> str:
    mean, low, high, zero = [*values, None, None, None][:4]
    line = (
        ""
        if low is None
        else f'<i class="line" style="left:{low / 10:.1f}%;right:{(1000 - (high or 0)) / 10:.1f}%"></i>'
    )
    dashed = "" if zero is None else f'<i class="zero" style="left:{zero / 10:.1f}%"></i>'
    marks = f'{dashed}{line}<i class="dot" style="left:{(mean or 0) / 10:.1f}%"></i>'
    if address:
        return f'<a class="track" href="#{escape(address)}" aria-label="Chart of this method">{marks}</a>'
    return f'<div class="track">{marks}</div>'
