"""Tables and JSON on standard output, notes on standard error."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bench._util.terminal import terminal_width, wrapped
from bench.bounds import printable
from bench.table import Row, Table, Tables, facts_text, to_json

if TYPE_CHECKING:
    import pandas as pd


def print_table(table: Table | Tables, *, details: bool = True, as_json: bool = False) -> None:
    """Print the notes of a table on standard error, then its title, rows and the lines below them; or its JSON."""
    for note in table.notes:
        remark(note)
    if as_json:
        print_line(table.json())
    elif text := table.text(terminal_width(sys.stdout), details=details):
        print_line(text)


def print_rows(
    rows: Sequence[Row],
    columns: Sequence[str] | None = None,
    *,
    spare: Sequence[str] = (),
    as_json: bool = False,
) -> None:
    """Print rows as a table of `columns` (default: those of the first row), or all values as a JSON list.

    A terminal that is too narrow shows fewer columns: `spare` ones are left out first.
    """
    print_table(Table(rows, columns, spare=spare), as_json=as_json)


def print_facts(facts: Mapping[str, object], *, as_json: bool) -> None:
    """Print named values, one per line, or as a JSON object."""
    if as_json:
        print_json(dict(facts))
        return
    # --set accepts dotted names, so they stay as they are
    spaced = {name if "." in name else name.replace("_", " "): value for name, value in facts.items()}
    print_line(facts_text(spaced, terminal_width(sys.stdout)))


def print_json(value: object) -> None:
    """Print a value as JSON; see `to_json`."""
    print_line(to_json(value))


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
