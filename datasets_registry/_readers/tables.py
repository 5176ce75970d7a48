"""The reader of tables from others: CSV and TSV with any usual delimiter, and parquet. Their sizes have limits."""

import codecs
import csv
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from datasets_registry._errors import DataError
from datasets_registry._limits import (
    LARGEST_TABLE,
    LONGEST_CELL,
    LONGEST_LINE,
    MOST_CELLS,
    MOST_CHARACTERS,
    MOST_COLUMNS,
)
from datasets_registry._readers.foreign_files import check_size

if TYPE_CHECKING:
    import pyarrow

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
"""Delimiters of a text table, in order of precedence."""
_BATCH = 1024
"""Rows of a parquet table that become texts at a time."""


def read_table(table: Path) -> tuple[list[str], list[Sequence[str]]]:
    """The header and the rows of a table, read as `stream_table` reads them."""
    header, *rows = stream_table(table)
    return list(header), rows


def stream_table(table: Path) -> Iterator[Sequence[str]]:
    """The header of a .csv, .tsv or .parquet file, then its rows, as texts. Only some rows are in memory at a time.

    Columns of a parquet file that hold lists, structures or bytes are left out. Raises DataError if the file does not
    exist, cannot be read, is empty, or is larger than the limits of `_limits.py`, before its cells take memory.
    """
    if not table.is_file():
        raise DataError(f"No table {table}. Give a .csv, .tsv or .parquet file with a path and a label per row.")
    return _parquet_lines(table) if table.suffix.lower() == ".parquet" else _text_lines(table)


def _text_lines(table: Path) -> Iterator[Sequence[str]]:
    try:
        check_size(table, LARGEST_TABLE)
        header = _header(table)
        delimiter = _delimiter(table, header)
        check_cells(table, _number_of_cells(table, delimiter), header.count(delimiter))
        with _opened_text(table) as file:
            rows = filter(None, csv.reader(_lines(file), delimiter=delimiter, strict=True))
            if (names := next(rows, None)) is None:
                raise DataError(f"Table {table} is empty. Write a header line, then one row per image.")
            yield [name.strip() for name in names]
            yield from rows
    except DataError:
        raise
    except csv.Error as error:
        raise DataError(f"Table {table} cannot be read: {_csv_problem(table, error)}.") from error
    except (OSError, ValueError) as error:  # ValueError: texts that are not UTF-8, and a line that is too long
        raise DataError(f"Table {table} cannot be read ({error}). Save it as UTF-8 with a header line.") from error


def _csv_problem(table: Path, error: csv.Error) -> str:
    """What is wrong with a text table, and what to do; a quotation mark that is not closed is found by its line."""
    if "end of data" not in str(error):
        return f"{error}. Save it as UTF-8 with a header line"
    quotes, line = 0, 1
    with _opened_text(table) as file:
        for number, content in enumerate(_lines(file), 1):
            if quotes % 2 == 0:
                line = number
            quotes += content.count('"')
    return f"the quotation mark in line {line} is not closed. Close it, or remove it"


def delimiter_name(table: Path) -> str | None:
    """The delimiter of a text table that `read_table` has read, in words; None for parquet."""
    return None if table.suffix.lower() == ".parquet" else DELIMITERS[_delimiter(table, _header(table))]


def check_cells(table: Path, cells: int, columns: int) -> None:
    """Raise DataError for a table of more cells or columns than are read."""
    for n, most, what in ((cells, MOST_CELLS, "cells"), (columns, MOST_COLUMNS, "columns")):
        if n > most:
            raise DataError(f"Table {table} has {n} {what}, and at most {most} are read. Remove columns, or split it.")


def _opened_text(table: Path) -> TextIO:
    """The text of a table: UTF-8, or UTF-16 if it begins with its byte order mark, as Excel writes it."""
    with table.open("rb") as file:
        is_wide = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    return table.open(encoding="utf-16" if is_wide else "utf-8-sig", newline="")


def _lines(file: TextIO) -> Iterator[str]:
    """The lines of a table; raises ValueError for one that is too long."""
    while line := file.readline(LONGEST_LINE + 1):
        if len(line) > LONGEST_LINE:
            raise ValueError(f"a line has more than {LONGEST_LINE} characters, the most that are read")
        yield line


def _header(table: Path) -> str:
    with _opened_text(table) as file:
        return next((line for line in _lines(file) if line.strip()), "")


def _number_of_cells(table: Path, delimiter: str) -> int:
    with _opened_text(table) as file:
        return sum(text.count(delimiter) + text.count("\n") for text in iter(partial(file.read, LONGEST_LINE), ""))


def _delimiter(table: Path, header: str) -> str:
    """The delimiter of the header: tab in a .tsv and comma in a .csv if it occurs, else the most frequent delimiter."""
    usual = "\t" if table.suffix.lower() == ".tsv" else ","
    return usual if usual in header else max(DELIMITERS, key=header.count)


def _parquet_lines(table: Path) -> Iterator[Sequence[str]]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise DataError(
            f"{table} is a parquet file, and pyarrow, which reads it, is not installed. "
            f"Run `pip install 'clip-etl-bench[hf]'`, or save the table as CSV."
        ) from None
    try:
        check_size(table, LARGEST_TABLE)
        schema = pyarrow.parquet.read_schema(table)
        names = [field.name for field in schema if _is_plain(field.type)]
        # texts that a file states once for many rows stay so until they are measured
        with pyarrow.parquet.ParquetFile(
            table, read_dictionary=[n for n in names if _is_text(schema.field(n).type)]
        ) as file:
            check_cells(table, file.metadata.num_rows * len(names), file.metadata.num_columns)
            yield names
            for rows in _within(map(_rows, file.iter_batches(_BATCH, columns=names))):
                yield from rows
    except DataError:
        raise
    except (OSError, ValueError, MemoryError, pyarrow.ArrowException) as error:  # ValueError: texts that are not UTF-8
        raise DataError(f"Table {table} cannot be read ({error}). Write it again.") from error


def _is_text(kind: "pyarrow.DataType") -> bool:
    import pyarrow

    return bool(pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind))


def _is_plain(kind: Any) -> bool:
    """Whether a column has one number, time or text per row."""
    import pyarrow

    if pyarrow.types.is_dictionary(kind):
        return _is_plain(kind.value_type)
    return _is_text(kind) or bool(pyarrow.types.is_primitive(kind))


def _rows(batch: "pyarrow.RecordBatch") -> list[Sequence[str]]:
    """The rows of a few lines of a table as texts; raises ValueError for a cell that is too long."""
    import pyarrow
    import pyarrow.compute

    batch.validate(full=True)
    for column in batch.columns:
        texts = column.dictionary if pyarrow.types.is_dictionary(column.type) else column
        longest = pyarrow.compute.max(pyarrow.compute.binary_length(texts)) if _is_text(texts.type) else None
        if longest is not None and (longest.as_py() or 0) > LONGEST_CELL:
            raise ValueError(f"a cell has {longest} bytes, and at most {LONGEST_CELL} are read")
    texts = [["" if value is None else str(value) for value in column.to_pylist()] for column in batch.columns]
    return list(zip(*texts, strict=True))


def _within(parts: Iterable[list[Sequence[str]]]) -> Iterator[list[Sequence[str]]]:
    """The parts of a table; raises ValueError once they have more characters than are read."""
    total = 0
    for part in parts:
        total += sum(len(cell) for row in part for cell in row)
        if total > MOST_CHARACTERS:
            raise ValueError(f"its cells have more than {MOST_CHARACTERS} characters")
        yield part
