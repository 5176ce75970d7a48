"""Streams of encoded images from files, folders, tables, tar files and lists of paths. Loads no torch.

What cannot be read is an item whose reading raises BadImageError, so that it becomes a row with a reason.
"""

import os
import sys
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from lzma import LZMAError
from pathlib import Path
from typing import BinaryIO

from bench.bounds import printable
from bench.errors import UsageError
from datasets_registry import (
    LARGEST_IMAGE,
    LARGEST_RATIO,
    PATH_COLUMNS,
    WINDOWS_FILES,
    BadImageError,
    DataError,
    ImageNotes,
    archives,
    check_image_size,
    foreign_files,
    image_sources,
    image_suffixes,
    is_image,
    kind_by_suffix,
    tables,
)

LARGEST_PACKED_IMAGE = 32 * 2**20
"""One image in a compressed tar archive, which is unpacked into memory with its neighbours."""
LARGEST_UNPACKED = 2**30
"""Unpacked bytes that a compressed archive of images may have besides `LARGEST_RATIO` times its own."""
LONGEST_PATH = 32 * 2**10
"""Bytes of a line of a list of images; Linux allows 4,096 for a path."""

TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
LIST = "-"
"""Standard input, one path per line."""
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0")
_ADVICE = "Replace or remove it"
_TAR_ERRORS = (tarfile.TarError, OSError, EOFError, ValueError, zlib.error, LZMAError)


@dataclass(frozen=True)
class ImageItem:
    """One image: its name in the output, and a function that reads its bytes or raises BadImageError."""

    name: str
    read: Callable[[], bytes]


def check_sources(sources: Sequence[str]) -> None:
    """Raise UsageError for a source that does not exist, has an unknown type, or is a folder without an image."""
    for source in sources:
        if source == LIST:
            continue
        path = Path(source)
        if not source or not path.exists():
            raise UsageError(f"There is no image, folder, table or tar file {source or repr(source)}.")
        if path.is_dir():
            notes = ImageNotes()
            if next(_folder(path, notes), None) is None:
                found = " ".join(line.removeprefix("note: ") for line in notes.lines())
                end = f"; {found}" if found else f". {_suffixes()}"
                raise UsageError(f"The folder {source} contains no image{end}")
        elif _is_tar(path):
            _check_tar(path)
        elif path.suffix.lower() in tables.TABLE_SUFFIXES:
            next(_paths(path), None)
        elif path.suffix.lower() not in image_suffixes() and not is_image(path):
            notes = ImageNotes()
            notes.leave_out(kind_by_suffix(source), source)
            advice = next(notes.lines()).partition(". ")[2]
            raise UsageError(
                f"{source} is not an image that is read, a table ({', '.join(tables.TABLE_SUFFIXES)}) or a tar file. "
                f"{advice} {_suffixes()}"
            )
    if list(sources).count(LIST) > 1:
        raise UsageError("'-' was given twice; standard input is read once.")


def _suffixes() -> str:
    return f"Image suffixes are {', '.join(sorted(image_suffixes()))}."


def image_items(sources: Sequence[str], notes: ImageNotes | None = None) -> Iterator[ImageItem]:
    """The images of several sources in order; folders are sorted by name.

    Args:
        notes: receives the files of folders and archives that are left out.
    """
    notes = notes or ImageNotes()
    for source in sources:
        path = Path(source)
        if source == LIST:
            yield from _list(sys.stdin.buffer)
        elif path.is_dir():
            yield from _folder(path, notes)
        elif _is_tar(path):
            yield from _tar(path, notes)
        elif path.suffix.lower() in tables.TABLE_SUFFIXES:
            yield from _table(path)
        else:
            yield _file(source, path)


def _is_tar(path: Path) -> bool:
    return path.name.lower().endswith(TARS)


def _file(name: str, path: Path) -> ImageItem:
    return ImageItem(printable(name), partial(image_sources.read_image_file, path))


def _unreadable(name: str, problem: str) -> ImageItem:
    """An item whose reading raises an error."""

    def read() -> bytes:
        raise BadImageError(name, problem, _ADVICE, "unreadable")

    return ImageItem(printable(name), read)


def _list(lines: BinaryIO) -> Iterator[ImageItem]:
    while line := lines.readline(LONGEST_PATH + 1):
        if len(line) > LONGEST_PATH:
            yield _unreadable(LIST, f"has a line of more than {LONGEST_PATH} bytes, and is not read further")
            return
        if name := os.fsdecode(line).strip():
            yield _file(name, Path(name))


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


def _check_tar(path: Path) -> None:
    """Raise UsageError for a file without a readable first member."""
    try:
        with _opened_tar(path) as tar:
            first = tar.next()
    except _TAR_ERRORS as error:
        raise UsageError(f"The tar file {path} cannot be read: {error}.") from None
    if first is None:
        raise UsageError(f"The tar file {path} is empty.")


def _is_compressed(path: Path) -> bool:
    with foreign_files.regular_file(path).open("rb") as file:
        return file.read(6).startswith(_COMPRESSED)


def _opened_tar(path: Path) -> tarfile.TarFile:
    return archives.open_tar(path, "r|*" if _is_compressed(path) else "r:")


def _tar(path: Path, notes: ImageNotes) -> Iterator[ImageItem]:
    """The images of a tar file, in one pass. Those of a compressed file are unpacked into memory."""
    suffixes = image_suffixes()
    try:
        compressed = _is_compressed(path)
        largest = LARGEST_PACKED_IMAGE if compressed else LARGEST_IMAGE
        end = LARGEST_UNPACKED + LARGEST_RATIO * path.stat().st_size
        with _opened_tar(path) as tar:
            while (member := tar.next()) is not None:
                tar.members.clear()  # type: ignore[attr-defined]  # else it keeps all of them
                name = f"{path}!{member.name}"
                if compressed and member.offset_data + member.size > end:
                    yield _unreadable(name, "unpacks to much more than its archive, which is not read further")
                    return
                if not member.isfile():
                    continue
                if Path(member.name).suffix.lower() not in suffixes:
                    notes.leave_out(kind_by_suffix(printable(member.name)), printable(name))
                    continue
                try:
                    check_image_size(member.size, name, largest)
                except BadImageError as error:
                    yield _unreadable(name, error.problem)
                    continue
                if member.issparse():
                    yield _unreadable(name, "is stored as a sparse file, which is not read")
                elif compressed:
                    file = tar.extractfile(member)
                    assert file is not None, "a regular file has content"
                    yield ImageItem(printable(name), partial(_same, file.read()))
                else:
                    yield ImageItem(printable(name), partial(_part, path, name, member.offset_data, member.size))
    except _TAR_ERRORS as error:
        yield _unreadable(str(path), f"cannot be read to its end ({error})")


def _same(content: bytes) -> bytes:
    return content


def _part(path: Path, name: str, start: int, size: int) -> bytes:
    """A part of a file; raises BadImageError if the file ends before it."""
    try:
        with foreign_files.regular_file(path).open("rb") as file:
            file.seek(start)
            content = file.read(size)
    except OSError as error:
        raise BadImageError(name, f"cannot be read ({error})", _ADVICE, "unreadable") from None
    if len(content) < size:
        raise BadImageError(name, "is cut off by the end of the archive", _ADVICE, "truncated")
    return content


def _table(path: Path) -> Iterator[ImageItem]:
    """The images of a table's column of paths; relative paths start at the table's folder."""
    try:
        for text in _paths(path):
            yield _file(text, path.parent / text)
    except UsageError as error:
        yield _unreadable(str(path), f"is not read further: {error}")


def _paths(path: Path) -> Iterator[str]:
    """The texts of a table's column of paths. Raises UsageError for a file that cannot be read as a table."""
    try:
        rows = tables.stream_table(path)
        header = next(rows)
        column = header.index(_path_column(path, header))
        yield from (row[column] for row in rows if len(row) > column and row[column])
    except DataError as error:
        raise UsageError(str(error)) from None


def _path_column(path: Path, header: Sequence[str]) -> str:
    by_lower_case = {name.lower(): name for name in header}
    found = next((by_lower_case[name] for name in PATH_COLUMNS if name in by_lower_case), None)
    if found is None:
        raise UsageError(
            f"The table {path} has no column of image paths ({', '.join(PATH_COLUMNS)}), only "
            f"{', '.join(header) or 'none'}."
        )
    return found
