"""Tables and JSON on standard output, notes on standard error."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING

from pydantic import BaseModel

from bench.bounds import printable

if TYPE_CHECKING:
    from typing import Any

    import pandas as pd
    from rich.console import Console
    from rich.table import Table

    from bench.api import ResultTable

Row = Mapping[str, object]


def print_rows(rows: Sequence[Row], columns: Sequence[str] | None = None, *, as_json: bool = False) -> None:
    """Print rows as a table of `columns` (default: those of the first row), or all values as a JSON list."""
    if as_json:
        print_json([dict(row) for row in rows])
        return
    columns = columns or list(rows[0] if rows else ())
    head = [column.replace("_", " ") for column in columns]
    cells = [[as_text(row.get(column)) for column in columns] for row in rows]
    console = _console()
    plain = None if console.is_terminal or console.options.ascii_only else plain_table(head, cells, console.width)
    if plain is None:
        console.print(_rich_table(head, cells))
    else:
        sys.stdout.write(plain)


def print_table(table: ResultTable[Any], *, as_json: bool = False) -> None:
    """Print the tables of a result and the lines below each, or its JSON, and its notes on standard error."""
    if as_json:
        print_json(table.to_json())
    else:
        for part in table.parts:
            print_line(part.title)
            print_rows(part.rows)
            if text := part.text():
                print_line(text)
    for note in table.notes:
        remark(note)


def plain_table(head: Sequence[str], cells: Sequence[Sequence[str]], width: int) -> str | None:
    """The text of a table in the layout of rich, which would take a second for a thousand rows.

    None if the table is empty, wider than `width`, or has a cell that is not a line of ASCII.
    """
    lines = [head, *cells]
    if not head or not all(cell.isascii() and cell.isprintable() for line in lines for cell in line):
        return None
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    inside = sum(widths) + 3 * (len(widths) - 1)
    if inside + 2 > width:
        return None
    empty, rule = " " * (inside + 2), f" {'─' * inside} "
    texts = [" " + "   ".join(map(str.ljust, line, widths)) + " " for line in lines]
    return "\n".join([empty, texts[0], rule, *texts[1:], empty]) + "\n"


def _rich_table(head: Sequence[str], cells: Sequence[Sequence[str]]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in head:
        table.add_column(name, overflow="fold")
    for line in cells:
        table.add_row(*map(Text, line))
    return table


def print_facts(facts: Row, *, as_json: bool) -> None:
    """Print named values, one per line, or as a JSON object."""
    if as_json:
        print_json(dict(facts))
        return
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in facts.items():
        label = name if "." in name else name.replace("_", " ")  # --set accepts dotted names, so they stay as they are
        table.add_row(Text(label), Text(as_text(value)))
    _console().print(table)


def print_json(value: object) -> None:
    """Print a value as JSON. Dataclasses and models become objects; non-finite numbers become null."""
    print_line(json.dumps(_plain(value), indent=1, ensure_ascii=False))


def print_line(text: str) -> None:
    """Print one line of results to standard output."""
    sys.stdout.write(printable(text, keep="\n\t") + "\n")


def remark(text: str) -> None:
    """Print one line to standard error."""
    sys.stderr.write(printable(text, keep="\n\t") + "\n")


def print_markdown(text: str) -> None:
    """Print a page of documentation, formatted in a terminal and unchanged in a pipe or file."""
    if not sys.stdout.isatty():
        print_line(text)
        return
    from rich.markdown import Markdown

    _console().print(Markdown(text))


def as_text(value: object) -> str:
    """A value as text of a table cell, without terminal control characters."""
    if isinstance(value, str):
        return printable(value, keep="\n\t")
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={as_text(item)}" for key, item in value.items()) or "–"
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(as_text(item) for item in value) or "–"
    return printable(str(value))


def records(frame: pd.DataFrame) -> list[dict[str, object]]:
    """One dict per row of a frame; missing values are None."""
    columns = [str(name) for name in frame.columns]
    values = frame.astype(object).where(frame.notna(), None).to_numpy().tolist()
    return [dict(zip(columns, row, strict=True)) for row in values]


def _console() -> Console:
    from rich.console import Console

    wide = None if sys.stdout.isatty() else 180
    return Console(width=wide, highlight=False)


def _plain(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if is_dataclass(value) or isinstance(value, BaseModel):
        value = dict(vars(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, StrEnum):
        return printable(str(value))
    return value if value is None or isinstance(value, str | int) else str(value)
