"""Output files and folders: where a command may write, and what it may replace.

A command replaces only what a mark shows to be its own. Pages have one in their head, JSON documents begin with one,
and a folder has a list of the files that were written into it. Everything else is replaced only with `--force`.
"""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from bench.bounds import LARGEST_BOARD_FILE
from bench.errors import UsageError
from bench.results.files import atomic_draft, write_atomically
from datasets_registry import read_json, regular_file

GENERATOR = '<meta name="generator" content="clip-etl-bench">'
"""Mark of a page, in its head."""
JSON_FORMAT = "clip-etl-bench "
"""Beginning of the value of `format`, the first key of a JSON document."""
FILE_LIST = "etl-bench-files.json"
"""File of a written folder that lists its files."""
_HEAD = 512
"""Bytes at the beginning of a file that hold its mark."""
_MARKS = (
    re.compile(rb"\s*<!doctype html>.*" + re.escape(GENERATOR.encode()), re.DOTALL),
    re.compile(rb'\s*\{\s*"format":\s*"' + re.escape(JSON_FORMAT.encode())),
)
_VERSION = 1


def is_own_file(path: Path) -> bool:
    """Whether a file begins with the mark of a page or of a JSON document that etl-bench writes."""
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
    marks: Sequence[str] = (FILE_LIST,),
    force: bool = False,
    may_force: bool = True,
    kept: Collection[str] = (),
) -> None:
    """Raise UsageError, naming the option, unless the folder is new, empty, or one that etl-bench made.

    Args:
        marks: files below the folder, each of which shows that etl-bench made it; a page must have its own mark.
        force: write into any folder.
        may_force: whether the message offers --force.
        kept: names of files that may lie in a folder that is empty otherwise.
    """
    check_output_folder(path, option)
    if force or not path.is_dir():
        return
    inside = sorted(item.name for item in path.iterdir() if item.name not in kept)
    if inside and not any(_is_mark(path / mark) for mark in marks):
        advice = ", or write into this one with --force" if may_force else ""
        raise UsageError(
            f"{option} {path} is in use: it contains {inside[0]!r}, and nothing in it shows that etl-bench made it. "
            f"Name a new or empty folder{advice}."
        )


def _is_mark(path: Path) -> bool:
    return path.is_file() and (path.name == FILE_LIST or is_own_file(path))


@contextmanager
def replacing(path: Path, *, force: bool = False) -> Iterator[Path]:
    """A new file beside `path` to write inside the block, which then takes its place; creates the folder if needed.

    Raises UsageError if a file that is not to be replaced is there at the end of the block.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_draft(path) as draft:
        yield draft
        _refuse_foreign(path, "The file", force=force)


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
    if not (force or is_own_file(path)):
        raise UsageError(
            f"{option} {path} exists already, and nothing in it shows that etl-bench wrote it. Choose another name, or "
            "replace it with --force."
        )


@dataclass
class ListedFiles:
    """The files that etl-bench wrote into a folder, by relative names such as `runs/<run id>.json`.

    `save` writes the list of their digests. A file with another digest is not deleted, and replaced only if `looks_own`
    accepts its path and name, or with `force`.
    """

    folder: Path
    force: bool = False
    looks_own: Callable[[Path, str], bool] = lambda *_: False
    _listed: dict[str, dict[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        self._listed = _read_list(self.folder / FILE_LIST)

    def is_current(self, name: str, source: str) -> bool:
        """Whether the file exists and was made from the same source."""
        return self._listed.get(name, {}).get("source") == source and (self.folder / name).is_file()

    def write(self, name: str, content: bytes, source: str = "") -> Path:
        """Write a file, add it to the list and return its path; raises UsageError if another file is in the way."""
        path, digest = self.check(name, content), _digest(content)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
        self._listed[name] = {"sha256": digest, "source": source}
        return path

    def check(self, name: str, content: bytes) -> Path:
        """The path of a file; raises UsageError if a file that is neither listed nor equal is in the way."""
        path = self.folder / name
        own = not os.path.lexists(path) or self.force or self._unchanged(name) or _holds(path, content)
        if not (own or self.looks_own(path, name)):
            raise UsageError(
                f"{path} exists and was not written by etl-bench, or was changed since, so it is kept. Choose another "
                "folder, or replace the file with --force."
            )
        return path

    def keep_only(self, kind: str, names: Collection[str]) -> None:
        """Delete the listed files of one kind (`runs`) that are not among `names` and have not been changed."""
        for name in [name for name in self._listed if name.startswith(f"{kind}/") and name not in names]:
            if self._unchanged(name):
                (self.folder / name).unlink(missing_ok=True)
            del self._listed[name]

    def save(self) -> None:
        """Write the list, which also marks the folder as made by etl-bench."""
        self.folder.mkdir(parents=True, exist_ok=True)
        content = {"format": f"{JSON_FORMAT}file list", "version": _VERSION, "files": self._listed}
        write_atomically(self.folder / FILE_LIST, json.dumps(content, indent=0).encode())

    def _unchanged(self, name: str) -> bool:
        return name in self._listed and _digest_of(self.folder / name) == self._listed[name]["sha256"]


def write_listed(folder: Path, files: Mapping[str, bytes], *, force: bool = False) -> list[Path]:
    """Write files below a folder with their list and return their paths.

    Raises UsageError, before any is written, if a file that etl-bench did not write is in the way.
    """
    listed = ListedFiles(folder, force)
    for name, content in files.items():
        listed.check(name, content)
    listed.save()  # first, so that an interrupted command can be repeated
    written = [listed.write(name, content) for name, content in files.items()]
    listed.save()
    return written


def _read_list(path: Path) -> dict[str, dict[str, str]]:
    """The entries of a list; empty without one, or if it is damaged. Names that leave the folder are left out."""
    try:
        content = read_json(path, LARGEST_BOARD_FILE)
        if content["version"] != _VERSION:
            return {}
        return {
            name: {"sha256": str(entry["sha256"]), "source": str(entry["source"])}
            for name, entry in content["files"].items()
            if not (PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name)
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content


def _digest_of(path: Path) -> str | None:
    try:
        with regular_file(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
