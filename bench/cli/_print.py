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

from bench._util.terminal import terminal_width, wrapped
from bench.api import text_table
from bench.bounds import printable

if TYPE_CHECKING:
    from typing import Any

    import pandas as pd

    from bench.api import ResultTable

Row = Mapping[str, object]


def print_rows(
    rows: Sequence[Row],
    columns: Sequence[str] | None = None,
    *,
    spare: Sequence[str] = (),
    as_json: bool = False,
) -> None:
    """Print rows as a table of `columns` (default: those of the first row), or all values as a JSON list.

    A terminal that is too narrow shows fewer columns, and a note names the others: `spare` ones are left out first.
    """
    if as_json:
        print_json([dict(row) for row in rows])
        return
    text, left_out = text_table.rows_text(rows, columns, terminal_width(sys.stdout), spare)
    sys.stdout.write(text)
    if left_out:
        remark(f"left out in a terminal of this width: {', '.join(left_out)}")


def print_wide(rows: Sequence[Row], labels: Sequence[str]) -> None:
    """Print rows as a table; in a terminal that is too narrow, the columns go on in further tables."""
    sys.stdout.write(text_table.wide_text(rows, labels, terminal_width(sys.stdout)))


def print_table(table: ResultTable[Any], *, details: bool = True, as_json: bool = False) -> None:
    """Print the notes of a result on standard error, then its tables, each with what is known at the end; or its JSON.

    Without `details`, a note says that there are further rows.
    """
    if as_json:
        print_json(table.to_json())
        return
    for note in table.notes:
        remark(note)
    for part in table.parts:
        print_text(part.title)
        if part.rows:
            print_rows(part.rows, spare=part.spare)
        if part.details and details:
            print_rows(part.details, spare=part.spare)
            for note in part.detail_notes:
                remark(note)
        elif part.details:
            remark("--verbose adds a row for each dataset")
        if text := part.text():
            print_text(text)


def print_facts(facts: Row, *, as_json: bool) -> None:
    """Print named values, one per line, or as a JSON object."""
    if as_json:
        print_json(dict(facts))
        return
    # --set accepts dotted names, so they stay as they are
    names = [name if "." in name else name.replace("_", " ") for name in facts]
    sys.stdout.write(
        text_table.facts_text(
            list(zip(names, map(text_table.as_text, facts.values()), strict=True)), terminal_width(sys.stdout)
        )
    )


def print_json(value: object) -> None:
    """Print a value as JSON. Dataclasses and models become objects; non-finite numbers become null."""
    print_line(json.dumps(_plain(value), indent=1, ensure_ascii=False))


def print_line(text: str) -> None:
    """Print one line of results to standard output."""
    sys.stdout.write(printable(text, keep="\n\t") + "\n")


def print_text(text: str) -> None:
    """Print sentences to standard output; a terminal breaks their lines between words, but not within a command."""
    print_line(wrapped(text, terminal_width(sys.stdout)))


def remark(text: str) -> None:
    """Print one line to standard error; a terminal breaks it between words, but not within a command."""
    sys.stderr.write(wrapped(printable(text, keep="\n\t"), terminal_width(sys.stderr)) + "\n")


def print_markdown(text: str) -> None:
    """Print a page of documentation, formatted in a terminal and unchanged in a pipe or file."""
    if not sys.stdout.isatty():
        print_line(text)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console(highlight=False).print(Markdown(text))


def records(frame: pd.DataFrame) -> list[dict[str, object]]:
    """One dict per row of a frame; missing values are None."""
    columns = [str(name) for name in frame.columns]
    values = frame.astype(object).where(frame.notna(), None).to_numpy().tolist()
    return [dict(zip(columns, row, strict=True)) for row in values]


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
