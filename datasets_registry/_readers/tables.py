"""Reading of the small text tables that some datasets publish beside their images."""

import csv
from collections.abc import Iterator
from pathlib import Path

from datasets_registry._errors import DataError


def read_table(path: Path, dataset: str, columns: tuple[str, ...], delimiter: str = ",") -> Iterator[dict[str, str]]:
    """The rows of a table with a header, by column. Raises DataError if it cannot be read or a column is missing."""
    rows = csv.DictReader(read_lines(path, dataset), delimiter=delimiter)
    if absent := [name for name in columns if name not in (rows.fieldnames or ())]:
        raise DataError(
            f"{path} of dataset {dataset!r} has no column {absent[0]!r}; it has {', '.join(rows.fieldnames or ())}. "
            f"Unpack the dataset's archive again."
        )
    yield from rows


def read_lines(path: Path, dataset: str) -> list[str]:
    """The lines of a text file that are not empty. Raises DataError if it cannot be read."""
    try:
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} of dataset {dataset!r} cannot be read ({error}). It is part of the published archive; unpack it "
            f"again."
        ) from error
