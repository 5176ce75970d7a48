"""Lists the images of a custom dataset in a table: CSV, TSV or parquet, with a path, a label and optionally a split."""

import os
import re
from collections import Counter
from collections.abc import Container, Mapping
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict

from datasets_registry._custom.listing_folders import FoundImage, Listing, check_unicode, parse_part
from datasets_registry._errors import DataError, some
from datasets_registry._readers.decode import OWN_IMAGES
from datasets_registry._readers.image_sources import ImageFiles
from datasets_registry._readers.tables import read_table, stream_table

PATH_COLUMNS = ("path", "image_path", "file_path", "filepath", "file_name", "filename", "file", "image")
"""Usual names of the column of paths in lower case, in order of precedence."""
GUESSES = {
    "path": PATH_COLUMNS,
    "label": ("label", "class", "class_name", "category", "label_name", "target"),
    "split": ("split", "part", "fold", "subset", "partition"),
    "group": ("group",),
}
"""Usual column names in lower case, in order of precedence."""
OPTIONAL = ("split", "group")
"""Columns that a table need not have."""
LIKELY_GROUPS = re.compile(
    r"(patient|subject|person|slide|wsi|video|clip|location|site|camera|group)s?([ _-]?(id|no|name))?"
)
"""Names of columns, in lower case, that may say which images belong together."""


class ColumnNames(BaseModel):
    """Names of the columns of a table or Hugging Face folder; None means a usual name, or no split or group column."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str | None = None
    label: str | None = None
    split: str | None = None
    group: str | None = None

    def named(self) -> dict[str, str]:
        """The given names."""
        return self.model_dump(exclude_none=True)


def guess_columns(table: Path, named: Mapping[str, str]) -> ColumnNames:
    """The columns of a table: the given columns, and columns with a usual name for the others.

    Raises DataError, listing the table's columns, if a given column does not exist or none has a usual name.
    """
    header, _ = read_table(table)
    by_lower_case = {name.lower(): name for name in header}
    chosen: dict[str, str | None] = {}
    for what, usual in GUESSES.items():
        if what in named and named[what] not in header:
            raise DataError(f"{table} has no column {named[what]!r}; it has {', '.join(header)}.")
        guesses = (by_lower_case[name] for name in usual if name in by_lower_case)
        chosen[what] = named[what] if what in named else next(guesses, None)
        if chosen[what] is None and what not in OPTIONAL:
            raise DataError(
                f"{table} has no column with a usual name for the {what} ({', '.join(usual)}); it has "
                f"{', '.join(header)}. Name it with --column {what}=NAME."
            )
    return ColumnNames(**chosen)


def likely_groups(table: Path) -> str | None:
    """The first column whose name suggests groups, such as `patient_id`."""
    header = next(iter(stream_table(table)))
    return next((name for name in header if LIKELY_GROUPS.fullmatch(name.lower())), None)


def list_table(
    table: Path, columns: ColumnNames, *, root: Path, skip: Container[str] = (), skip_missing: bool = False
) -> Listing:
    """All images of a .csv, .tsv or .parquet file with a header, in row order; paths are below `root`.

    Args:
        skip: paths of files that are not read and need not exist.
        skip_missing: keep rows whose files do not exist, unless no file exists.

    Raises DataError if the table or a column is missing, a path is empty, leaves the root or occurs twice, a label is
    empty, a split has an unknown name, or a listed file does not exist.
    """
    header, rows = read_table(table)
    column_of = columns.named()
    if absent := [name for name in column_of.values() if name not in header]:
        raise DataError(f"{table} has no column {absent[0]!r}; it has {', '.join(header)}.")
    at = {what: header.index(name) for what, name in column_of.items()}
    listed: list[FoundImage] = []
    for number, row in enumerate(rows, start=2):
        where = f"{table}, row {number},"
        if len(row) != len(header):
            raise DataError(f"{where} has {len(row)} fields, but the header {len(header)}. Correct that row.")
        cell = {what: row[i].strip() for what, i in at.items()}
        if not cell["label"]:
            raise DataError(f"{where} has no label in column {columns.label!r}. Give it one, or remove the row.")
        listed.append(
            FoundImage(
                _plain_path(cell["path"], where, root),
                check_unicode(cell["label"], where),
                parse_part(cell["split"], where) if "split" in cell else None,
                check_unicode(cell.get("group", ""), where) or None,
            )
        )
    if not listed:
        raise DataError(f"{table} has a header but no row. Write one row per image.")
    if repeated := [key for key, count in Counter(item.key for item in listed).items() if count > 1]:
        raise DataError(f"{table} lists the image {repeated[0]!r} twice. Remove one of the two entries.")
    images = ImageFiles(root, decoding=OWN_IMAGES)
    keys = [item.key for item in listed if item.key not in skip]
    missing = images.missing(keys)
    if missing and not (skip_missing and len(missing) < len(keys)):
        if len(missing) < len(keys):
            does = "does" if len(missing) == 1 else "do"
            raise DataError(
                f"{len(missing)} of the {len(keys)} images of {table} {does} not exist: {some(missing)}. Correct "
                f"these rows, or leave them out with --skip-broken."
            )
        raise DataError(
            f"{len(missing)} of the {len(keys)} images of {table} are not below {root}, for example {missing[0]}. "
            f'Give the folder that the paths are relative to with --root (root = "..." in the dataset\'s file).'
        )
    return Listing(images, tuple(listed))


def common_folder(table: Path, columns: ColumnNames) -> Path | None:
    """The deepest folder above all paths of a table, if all of them are absolute; else None."""
    header, rows = read_table(table)
    at = header.index(str(columns.path))
    paths = [PurePosixPath(row[at].strip()) for row in rows if len(row) > at]
    if not paths or not all(path.is_absolute() for path in paths):
        return None
    return Path(os.path.commonpath([path.parent for path in paths]))


def _plain_path(text: str, where: str, root: Path) -> str:
    path = PurePosixPath(text.replace("\\", "/"))
    if path.is_absolute() and path.is_relative_to(root.as_posix()):
        path = path.relative_to(root.as_posix())
    if not text or path.is_absolute() or ".." in path.parts or str(path) == ".":
        raise DataError(f"{where} has the path {text!r}, which is not a path below {root}. Use paths below --root.")
    return check_unicode(str(path), where)
