"""Reads the small text tables that some datasets publish beside their images."""

import csv
from collections.abc import Iterator
from pathlib import Path

from datasets_registry._errors import DataError


def read_table(
    path: Path, dataset: str, columns: tuple[str, ...], *, numbers: tuple[str, ...] = (), delimiter: str = ","
) -> Iterator[dict[str, str]]:
    """The rows of a table with a header, by column.

    Raises DataError if the table cannot be read, a column is missing, a row ends early, or a value in a column of
    `numbers` is not a number.
    """
    rows = csv.DictReader(read_lines(path, dataset), delimiter=delimiter)
    where, again = f"{path} of dataset {dataset!r}", "Unpack the dataset's archive again."
    needed = (*columns, *numbers)
    if absent := [name for name in needed if name not in (rows.fieldnames or ())]:
        raise DataError(f"{where} has no column {absent[0]!r}; it has {', '.join(rows.fieldnames or ())}. {again}")
    for row in rows:
        if bad := [name for name in needed if row[name] is None or (name in numbers and not row[name].isdecimal())]:
            raise DataError(f"Line {rows.line_num} of {where} has {row[bad[0]]!r} as {bad[0]!r}. {again}")
        yield row


def read_lines(path: Path, dataset: str) -> list[str]:
    """The non-empty lines of a text file. Raises DataError if it cannot be read."""
    try:
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} of dataset {dataset!r} cannot be read ({error}). It is part of the published archive; unpack it "
            f"again."
        ) from error
