"""Rows as an HTML table, for notebooks."""

from collections.abc import Mapping, Sequence
from html import escape


def html_table(caption: str, rows: Sequence[Mapping[str, object]]) -> str:
    """A table with a caption, if there is one; every text is escaped, and its lines are kept.

    Example:
        >>> html_table("a < b", [{"method": "coop"}])
        '<table><caption>a &lt; b</caption><tr><th>method</th></tr><tr><td>coop</td></tr></table>'
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    cells = ((escape(str(row.get(name, "–"))).replace("\n", "<br>") for name in columns) for row in rows)
    lines = ("".join(f"<td>{text}</td>" for text in line) for line in cells)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    above = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{above}<tr>{head}</tr>{body}</table>"
