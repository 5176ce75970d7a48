"""Streams of encoded images from files, folders and tables of paths. Loads no torch.

What cannot be read is an item whose reading raises BadImageError, so that it becomes a row with a reason.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.bounds import printable
from bench.errors import UsageError
from datasets_registry import (
    PATH_COLUMNS,
    WINDOWS_FILES,
    BadImageError,
    DataError,
    ImageNotes,
    image_sources,
    image_suffixes,
    is_image,
    kind_by_suffix,
    tables,
)


@dataclass(frozen=True)
class ImageItem:
    """One image: its name in the output, and a function that reads its bytes or raises BadImageError."""

    name: str
    read: Callable[[], bytes]


def check_sources(sources: Sequence[str]) -> None:
    """Raise UsageError for a source that does not exist, has an unknown type, or is a folder without an image."""
    for source in sources:
        path = Path(source)
        if not source or not path.exists():
            raise UsageError(f"There is no image, folder or table {source or repr(source)}.")
        suffixes = f"Image suffixes are {', '.join(sorted(image_suffixes()))}."
        if path.is_dir():
            notes = ImageNotes()
            if next(_folder(path, notes), None) is None:
                left_out = " ".join(line.removeprefix("note: ") for line in notes.lines())
                raise UsageError(
                    f"The folder {source} contains no image{f'; {left_out}' if left_out else f'. {suffixes}'}"
                )
        elif path.suffix.lower() in tables.TABLE_SUFFIXES:
            next(_paths(path), None)
        elif path.suffix.lower() not in image_suffixes() and not is_image(path):
            notes = ImageNotes()
            notes.leave_out(kind_by_suffix(source), source)
            advice = next(notes.lines()).partition(". ")[2]
            raise UsageError(
                f"{source} is not an image that is read, or a table ({', '.join(tables.TABLE_SUFFIXES)}). "
                f"{advice} {suffixes}"
            )


def image_items(sources: Sequence[str], notes: ImageNotes) -> Iterator[ImageItem]:
    """The images of several sources in order; folders are sorted by name. `notes` receives files that are left out."""
    for source in sources:
        path = Path(source)
        if path.is_dir():
            yield from _folder(path, notes)
        elif path.suffix.lower() in tables.TABLE_SUFFIXES:
            yield from _table(path)
        else:
            yield _file(source, path)


def _file(name: str, path: Path) -> ImageItem:
    return ImageItem(printable(name), partial(image_sources.read_image_file, path))


def _folder(root: Path, notes: ImageNotes) -> Iterator[ImageItem]:
    suffixes = image_suffixes()

    def refused(error: OSError) -> None:
        notes.leave_out("folders that cannot be read", printable(str(error.filename)))

    for folder, folders, files in os.walk(root, onerror=refused):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in folders:
            if (Path(folder) / name).is_symlink():
                notes.leave_out("linked folders", printable(f"{folder}/{name}"))
        for name in sorted(files):
            if name.startswith(".") or name in WINDOWS_FILES:
                continue
            path = Path(folder) / name
            if path.suffix.lower() in suffixes:
                yield _file(path.as_posix(), path)
            else:
                notes.leave_out(kind_by_suffix(printable(name)), printable(path.as_posix()))
                if is_image(path):
                    notes.leave_out_unnamed(printable(path.as_posix()))


def _table(path: Path) -> Iterator[ImageItem]:
    """The images of a table's column of paths; relative paths start at the table's folder."""
    try:
        for text in _paths(path):
            yield _file(text, path.parent / text)
    except UsageError as error:
        problem = f"is not read further: {error}"

        def read() -> bytes:
            raise BadImageError(str(path), problem, "Replace or remove it", "unreadable")

        yield ImageItem(printable(str(path)), read)


def _paths(path: Path) -> Iterator[str]:
    """The texts of a table's column of paths. Raises UsageError for a file that cannot be read as a table."""
    try:
        rows = tables.stream_table(path)
        header = next(rows)
        by_lower_case = {name.lower(): name for name in header}
        name = next((by_lower_case[name] for name in PATH_COLUMNS if name in by_lower_case), None)
        if name is None:
            raise UsageError(
                f"The table {path} has no column of image paths ({', '.join(PATH_COLUMNS)}), only "
                f"{', '.join(header) or 'none'}."
            )
        column = header.index(name)
        yield from (row[column] for row in rows if len(row) > column and row[column])
    except DataError as error:
        raise UsageError(str(error)) from None
