"""Rows as an HTML table, for notebooks."""

from collections.abc import Mapping, Sequence
from html import escape


def html_table(caption: str, rows: Sequence[Mapping[str, object]]) -> str:
    """A table with a caption; every text is escaped.

    Example:
        >>> html_table("a < b", [{"method": "coop"}])
        '<table><caption>a &lt; b</caption><tr><th>method</th></tr><tr><td>coop</td></tr></table>'
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    lines = ("".join(f"<td>{escape(str(row.get(name, '–')))}</td>" for name in columns) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><caption>{escape(caption)}</caption><tr>{head}</tr>{body}</table>"
