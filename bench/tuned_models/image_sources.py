"""Streams of encoded images from files, folders, tables, tar files and lists of paths. Loads no torch."""

import csv
import os
import sys
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.errors import UsageError
from datasets_registry import image_suffixes

TABLES = (".csv", ".tsv", ".parquet")
TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
LIST = "-"
"""Standard input, one path per line."""
COLUMNS = ("path", "image_path", "file_path", "filepath", "file_name", "filename", "file", "image")
"""Usual names of the column of paths, in order of precedence."""


@dataclass(frozen=True)
class ImageItem:
    """One image: its name in the output, and a function that reads its bytes. Reading may raise OSError."""

    name: str
    read: Callable[[], bytes]


def check_sources(sources: Sequence[str]) -> None:
    """Raise UsageError for a source that does not exist, has an unknown type, or is a folder without an image."""
    for source in sources:
        if source == LIST:
            continue
        path = Path(source)
        if not path.exists():
            raise UsageError(f"There is no image, folder, table or tar file {source}.")
        if path.is_dir():
            if next(_folder(path), None) is None:
                raise UsageError(
                    f"The folder {source} contains no image. Image suffixes are {', '.join(sorted(image_suffixes()))}."
                )
        elif not _is_known(path):
            raise UsageError(
                f"{source} is not an image, table ({', '.join(TABLES)}) or tar file. Image suffixes are "
                f"{', '.join(sorted(image_suffixes()))}."
            )
    if list(sources).count(LIST) > 1:
        raise UsageError("'-' was given twice; standard input is read once.")


def image_items(sources: Sequence[str]) -> Iterator[ImageItem]:
    """The images of several sources in order; folders are sorted by name. Read an item of a tar before the next."""
    for source in sources:
        path = Path(source)
        if source == LIST:
            yield from (_file(line.strip()) for line in sys.stdin if line.strip())
        elif path.is_dir():
            yield from _folder(path)
        elif path.name.lower().endswith(TARS):
            yield from _tar(path)
        elif path.suffix.lower() in TABLES:
            yield from _table(path)
        else:
            yield _file(source)


def _is_known(path: Path) -> bool:
    return path.suffix.lower() in {*TABLES, *image_suffixes()} or path.name.lower().endswith(TARS)


def _file(name: str) -> ImageItem:
    return ImageItem(name, Path(name).read_bytes)


def _folder(root: Path) -> Iterator[ImageItem]:
    suffixes = image_suffixes()
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in suffixes:
                path = Path(folder) / name
                yield ImageItem(path.as_posix(), path.read_bytes)


def _tar(path: Path) -> Iterator[ImageItem]:
    """The images of a tar file, in one pass; each must be read before the next."""
    suffixes = image_suffixes()
    try:
        with tarfile.open(path, "r|*") as tar:
            for member in tar:
                if member.isfile() and Path(member.name).suffix.lower() in suffixes:
                    file = tar.extractfile(member)
                    assert file is not None, "a regular file has content"
                    yield ImageItem(f"{path}!{member.name}", partial(_same, file.read()))
    except (tarfile.TarError, OSError, EOFError) as error:
        raise UsageError(f"The tar file {path} cannot be read to its end: {error}.") from None


def _same(content: bytes) -> bytes:
    return content


def _table(path: Path) -> Iterator[ImageItem]:
    """The images of a table's column of paths; relative paths start at the table's folder."""
    for text in _parquet_column(path) if path.suffix.lower() == ".parquet" else _csv_column(path):
        yield ImageItem(text, (path.parent / text).read_bytes)


def _csv_column(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
            header = next(rows, [])
            column = header.index(_path_column(path, header))
            yield from (row[column] for row in rows if len(row) > column and row[column])
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"The table {path} cannot be read ({error}). Save it as UTF-8 with a header line.") from None


def _parquet_column(path: Path) -> Iterator[str]:
    try:
        import pyarrow.parquet
    except ImportError:
        raise UsageError(
            f"{path} needs pyarrow to be read. Run `pip install 'clip-etl-bench[hf]'`, or give a CSV table."
        ) from None
    try:
        file = pyarrow.parquet.ParquetFile(path)
        column = _path_column(path, file.schema_arrow.names)
        for batch in file.iter_batches(columns=[column]):
            yield from (str(value) for value in batch.column(0).to_pylist() if value)
    except (OSError, pyarrow.ArrowException) as error:
        raise UsageError(f"The table {path} cannot be read ({error}).") from None


def _path_column(path: Path, header: Sequence[str]) -> str:
    by_lower_case = {name.strip().lower(): name for name in header}
    found = next((by_lower_case[name] for name in COLUMNS if name in by_lower_case), None)
    if found is None:
        raise UsageError(
            f"The table {path} has no column of image paths ({', '.join(COLUMNS)}), only {', '.join(header) or 'none'}."
        )
    return found
