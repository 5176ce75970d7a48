"""Tables of predictions: rows are collected in a partial file, which becomes a CSV, JSON-lines or parquet file.

The partial file has a header with the model and its classes, so that a killed prediction can be resumed. The table
itself is written atomically when all images are done.
"""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from bench._util.atomic_write import sync_folder
from bench.errors import UsageError

Row = Mapping[str, Any]


def columns_of(top: int) -> list[str]:
    """The columns of a table with the `top` most probable classes."""
    best = [name for i in range(2, top + 1) for name in (f"label_{i}", f"probability_{i}")]
    return ["image", "label", "probability", *best, "novelty", "unlike", "error"]


class PartialTable:
    """Rows of an unfinished prediction, beside the output.

    Args:
        key: everything that the rows depend on; a partial file with another key is not resumed.
    """

    def __init__(self, out: Path, key: Mapping[str, Any]) -> None:
        self.out, self.key = out, dict(key)
        self.path = out.with_name(f"{out.name}.partial")

    def begin(self, *, resume: bool) -> int:
        """Check and open the file; returns the number of existing rows. Raises UsageError."""
        if not self.path.exists():
            self.out.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(json.dumps(self.key) + "\n", encoding="utf-8")
            return 0
        if not resume:
            raise UsageError(
                f"{self.path} has the rows of a prediction that did not finish. Continue with --resume, or delete it."
            )
        with self.path.open("r+b") as file:  # a killed process may have left half a line
            content_end = file.seek(0, 2)
            whole, position, lines = 0, 0, 0
            file.seek(0)
            for line in file:
                position += len(line)
                if line.endswith(b"\n"):
                    whole, lines = position, lines + 1
            if whole < content_end:
                file.truncate(whole)
        with self.path.open(encoding="utf-8") as text:
            header = text.readline()
        if not lines or json.loads(header) != self.key:
            raise UsageError(
                f"{self.path} belongs to another model, other classes or other options and is not continued; delete it."
            )
        return lines - 1

    def append(self, rows: Sequence[Row]) -> None:
        """Add finished rows."""
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)

    def rows(self) -> Iterator[dict[str, Any]]:
        """All rows so far."""
        with self.path.open(encoding="utf-8") as file:
            next(file)
            yield from (json.loads(line) for line in file)

    def finish(self, columns: Sequence[str]) -> None:
        """Write the output from the rows, and remove the partial file."""
        draft = self.out.with_name(f".{self.out.name}.draft")
        try:
            FORMATS[self.out.suffix.lower()](draft, columns, self.rows())
            draft.replace(self.out)
        finally:
            draft.unlink(missing_ok=True)
        sync_folder(self.out.parent)
        self.path.unlink()

    def discard(self) -> None:
        """Remove the partial file."""
        self.path.unlink(missing_ok=True)


def check_format(out: Path) -> None:
    """Raise UsageError for an unknown suffix, or for parquet without pyarrow."""
    if out.suffix.lower() not in FORMATS:
        raise UsageError(f"--out {out}: the suffix decides the format; use {', '.join(FORMATS)}.")
    if out.suffix.lower() == ".parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            raise UsageError(
                f"--out {out} needs pyarrow. Run `pip install 'clip-etl-bench[hf]'`, or write a .csv file."
            ) from None


def write_csv_rows(file: IO[str], columns: Sequence[str], rows: Iterator[Row], *, header: bool = True) -> None:
    """Write rows as CSV lines; missing values are empty."""
    writer = csv.DictWriter(file, list(columns), restval="", lineterminator="\n")
    if header:
        writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else value


def _write_csv(path: Path, columns: Sequence[str], rows: Iterator[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        write_csv_rows(file, columns, rows)


def _write_json_lines(path: Path, columns: Sequence[str], rows: Iterator[Row]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps({name: row.get(name) for name in columns}, ensure_ascii=False) + "\n")


def _write_parquet(path: Path, columns: Sequence[str], rows: Iterator[Row]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    def kind(name: str) -> pa.DataType:
        if name.startswith("probability") or name == "novelty":
            return pa.float32()
        return pa.bool_() if name == "unlike" else pa.string()

    schema = pa.schema([(name, kind(name)) for name in columns])
    with pq.ParquetWriter(path, schema) as writer:
        block: list[Row] = []
        for row in rows:
            block.append(row)
            if len(block) == 10_000:
                writer.write_table(pa.Table.from_pylist(block, schema=schema))
                block = []
        writer.write_table(pa.Table.from_pylist(block, schema=schema))


FORMATS: dict[str, Callable[[Path, Sequence[str], Iterator[Row]], None]] = {
    ".csv": _write_csv,
    ".jsonl": _write_json_lines,
    ".parquet": _write_parquet,
}
"""The writer of each suffix."""
