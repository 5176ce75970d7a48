"""Output files and folders: where a command may write, and what it may replace.

A command replaces only its own files. Pages have a mark in their head, JSON documents begin with one, and a list in the
folder names the others with their sizes. Everything else, also with another size, is replaced only with `--force`.
"""

import os
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.errors import UsageError
from bench.results.files import atomic_draft
from datasets_registry import foreign_files

GENERATOR = '<meta name="generator" content="clip-etl-bench">'
"""Mark of a page, in its head."""
JSON_FORMAT = "clip-etl-bench "
"""Beginning of the value of `format`, the first key of a JSON document."""
_FILE_LIST = ".etl-bench-files"
"""The list of a folder: a line for each size in bytes with which a file was written, and its name."""
_LARGEST_LIST = 64 * 2**20
"""Bytes; the files of 100,000 runs take 16 MiB."""
_HEAD = 512
"""Bytes at the beginning of a file that hold its mark."""
_MARKS = (
    re.compile(rb"\s*<!doctype html>.*" + re.escape(GENERATOR.encode()), re.DOTALL),
    re.compile(rb'\s*\{\s*"format":\s*"' + re.escape(JSON_FORMAT.encode())),
)


def _is_own_file(path: Path) -> bool:
    """Whether a file has the mark of etl-bench, or a size with which the list of its folder names it."""
    if not path.is_file():
        return False
    return _is_marked(path) or str(path.stat().st_size) in _listed(path.parent).get(path.name, ())


def _is_marked(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    return any(mark.match(head) for mark in _MARKS)


def check_output_file(path: Path, option: str, *, force: bool = False, suffixes: Sequence[str] = ()) -> None:
    """Raise UsageError, naming the option, if the file cannot be written or is not to be replaced; creates nothing.

    Args:
        force: replace an existing file, whatever it is.
        suffixes: of the file's format; a name with another suffix is refused, and a name without one is accepted.
    """
    if suffixes and path.suffix and path.suffix.lower() not in suffixes:
        raise UsageError(
            f"{option} {path} ends in {path.suffix}, but the format of this file is {' or '.join(suffixes)}; rename it."
        )
    if path.is_dir():
        raise UsageError(f"{option} {path} is a folder; name a file in it.")
    _refuse_foreign(path, option, force=force)
    _check_place(path.parent, f"{option} {path}")


def check_output_folder(path: Path, option: str) -> None:
    """Raise UsageError, naming the option, if that folder cannot be written or made; creates nothing."""
    _check_place(path, f"{option} {path}")


def _check_place(path: Path, what: str) -> None:
    folder = path.absolute()
    place = next(parent for parent in (folder, *folder.parents) if os.path.lexists(parent))
    if not place.is_dir():
        raise UsageError(f"{what} cannot be written, because {place} is not a folder; choose another place.")
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        why = "is not writable" if isinstance(error, PermissionError) else f"takes no files ({error.strerror})"
        raise UsageError(f"{what} cannot be written, because {place} {why}; choose another place.") from None


def check_own_folder(
    path: Path,
    option: str,
    *,
    marks: Sequence[str],
    force: bool = False,
) -> None:
    """Raise UsageError, naming the option, unless the folder is new, empty, or one that etl-bench made.

    Args:
        marks: files below the folder, each of which shows that etl-bench made it, if it is etl-bench's own.
        force: write into any folder.
    """
    check_output_folder(path, option)
    if force or not path.is_dir():
        return
    inside = sorted(item.name for item in path.iterdir())
    if inside and not any(_is_own_file(path / mark) for mark in marks):
        raise UsageError(
            f"{option} {path} is in use: it contains {inside[0]!r}, and nothing in it shows that etl-bench made it. "
            "Name a new or empty folder, or write into this one with --force."
        )


@contextmanager
def replacing(path: Path, *, force: bool = False, listed: bool = True) -> Iterator[Path]:
    """A new file beside `path` to write inside the block, which then takes its place; creates the folder if needed.

    A file without a mark is added to the list of its folder, unless `listed` is False. Raises UsageError if a file that
    is not to be replaced is there at the end of the block.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_draft(path) as draft:
        yield draft
        _refuse_foreign(path, "The file", force=force)
        if listed and not _is_marked(draft):
            _add_to_list(path.parent, path.name, draft.stat().st_size)


def write_output(path: Path, content: bytes, *, force: bool = False) -> Path:
    """Write a file atomically and return its path; see `replacing`."""
    with replacing(path, force=force) as draft:
        draft.write_bytes(content)
    return path


def _refuse_foreign(path: Path, option: str, *, force: bool) -> None:
    if not os.path.lexists(path):
        return
    if path.exists() and not path.is_file():
        raise UsageError(f"{option} {path} is not a regular file; name another one, or print to standard output.")
    if not (force or _is_own_file(path)):
        raise UsageError(
            f"{option} {path} exists already, and was not written by etl-bench, or was changed since. Choose another "
            "name, or replace it with --force."
        )


def _add_to_list(folder: Path, name: str, size: int) -> None:
    if str(size) in _listed(folder).get(name, ()):
        return
    with (folder / _FILE_LIST).open("a", encoding="utf-8", errors="surrogateescape") as file:
        file.write(f"{size} {name}\n")


def _listed(folder: Path) -> dict[str, set[str]]:
    """The sizes with which files were written, as text, by name; empty without a list."""
    sizes = defaultdict(set)
    try:
        lines = (
            foreign_files.read_bytes(folder / _FILE_LIST, _LARGEST_LIST).decode("utf-8", "surrogateescape").splitlines()
        )
    except OSError:
        lines = []
    for size, _, name in (line.partition(" ") for line in lines):
        sizes[name].add(size)
    return sizes
