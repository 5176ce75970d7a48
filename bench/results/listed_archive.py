"""Zip files with a list of their files: every name, size and digest is checked before a byte is used."""

import hashlib
import json
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bench
from bench.errors import BenchError
from bench.results.outputs import replacing
from datasets_registry import archives, foreign_files

LIST_ENTRY, LIST_VALUES = 2**10, 8
"""Bytes and values per file in the list; its longest names have 420 characters."""
UNPACKING = (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, NotImplementedError, struct.error)
"""Errors that unpacking a damaged, encrypted or differently compressed file raises."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
_SHOWN = 5
_FASTEST = 1
"""The level of compression: the usual one takes 1.4 times as long and saves 5 %."""


@dataclass(frozen=True)
class ArchiveKind:
    """What a kind of listed archives may hold.

    Args:
        title: such as `bundle`; its list is `bundle.json` with the key `bundle_version`.
        largest: the largest size of a file of that name in bytes; 0 if no such name is allowed.
        member: what a name should be, with its article.
        command: writes such files.
        refusal: last sentence of a message about a damaged file.
    """

    title: str
    version: int
    most_files: int
    largest: Callable[[str], int]
    member: str
    command: str
    refusal: str
    error: type[BenchError]

    @property
    def list_name(self) -> str:
        """The name of the list."""
        return f"{self.title}.json"

    def damaged(self, path: Path, what: str) -> BenchError:
        """The error for an archive with something wrong in it."""
        return self.error(f"{path}: {what}. {self.refusal}")


@dataclass(frozen=True)
class OpenArchive:
    """An archive whose list has been checked.

    Args:
        sizes: size of each file in bytes, from the list; `read` unpacks no more.
        read: checks the digest of a file and returns its bytes.
    """

    root: str
    names: tuple[str, ...]
    sizes: Mapping[str, int]
    read: Callable[[str], bytes]


def write_archive(
    kind: ArchiveKind,
    files: Iterable[tuple[str, bytes]],
    out: Path,
    *,
    force: bool = False,
    listed: bool = True,
    packed: bool = True,
) -> str:
    """Write files in the given order and return the root digest; equal files in the same order give equal bytes.

    `packed` compresses them. Raises UsageError for another file in place of `out`, unless `force`, the error of the
    kind if it cannot be written, and what `files` raises.
    """
    entries, compression = [], zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    unread: list[OSError] = []
    try:
        with replacing(out, force=force, listed=listed) as draft, zipfile.ZipFile(draft, "w", compression) as archive:
            for name, content in _noting_errors(files, unread):
                entries.append({"path": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()})
                archive.writestr(_entry(name, compression), content, compresslevel=_FASTEST)
            entries.sort(key=lambda entry: str(entry["path"]))
            root = list_root(entries)
            facts = {f"{kind.title}_version": kind.version, "package_version": bench.__version__, "root": root}
            text = json.dumps(facts | {"files": entries}, indent=1, sort_keys=True)
            archive.writestr(_entry(kind.list_name, zipfile.ZIP_DEFLATED), text)
    except OSError as error:
        if unread:
            raise
        raise kind.error(f"{out} cannot be written ({error.strerror}); give another path.") from error
    return root


def _noting_errors(files: Iterable[tuple[str, bytes]], unread: list[OSError]) -> Iterator[tuple[str, bytes]]:
    """The files; an OSError of their source is also added to `unread`."""
    try:
        yield from files
    except OSError as error:
        unread.append(error)
        raise


@contextmanager
def open_archive(kind: ArchiveKind, path: Path) -> Iterator[OpenArchive]:
    """Open an archive, which may be larger than memory, and check its list; raises the error of the kind."""
    with ExitStack() as opened:
        try:
            archive = opened.enter_context(archives.open_zip(path, kind.most_files))
        except UNPACKING as error:
            raise kind.error(
                f"{path} cannot be read as a {kind.title} ({getattr(error, 'strerror', None) or error}); give a file "
                f"that `{kind.command}` wrote."
            ) from error
        facts = _facts(kind, archive, path)
        entries = {str(entry["path"]): entry for entry in facts["files"]}
        sizes = {name: int(entry["bytes"]) for name, entry in entries.items()}
        yield OpenArchive(
            facts["root"], tuple(entries), sizes, lambda name: _content(kind, archive, entries[name], path)
        )


def list_root(listed: Sequence[Mapping[str, Any]]) -> str:
    """One digest over all names and digests; archives with the same root have the same files."""
    lines = sorted(f"{entry['path']} {int(entry['bytes'])} {entry['sha256']}\n" for entry in listed)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _facts(kind: ArchiveKind, archive: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    """The list, after checking that its names are allowed and that the zip has exactly these files, each once."""
    held = [info.filename for info in archive.infolist()]
    if kind.list_name not in held:
        raise kind.error(f"{path} has no {kind.list_name}; give a file that `{kind.command}` wrote.")
    try:
        packed = archives.read_zip_member(archive, kind.list_name, LIST_ENTRY * (len(held) + 1))
        facts: dict[str, Any] = foreign_files.parse_json(packed, LIST_VALUES * (len(held) + 1))
        version, stated = int(facts[f"{kind.title}_version"]), str(facts["root"])
        names = [str(entry["path"]) for entry in facts["files"]]
        root = list_root(facts["files"])
    except (*UNPACKING, ValueError, KeyError, TypeError, OverflowError) as error:
        raise kind.damaged(path, f"{kind.list_name} is damaged or altered ({error})") from error
    if version != kind.version:
        raise kind.error(
            f"{path} has {kind.title} version {version}, and this etl-bench reads version {kind.version} only."
        )
    for name in names:
        if not kind.largest(name):
            raise kind.damaged(path, f"{name!r} is not {kind.member}")
    found = Counter(held)
    found.subtract([*names, kind.list_name])
    if odd := sorted(name for name, n in found.items() if n):
        raise kind.damaged(path, f"its files and its list disagree on {', '.join(map(repr, odd[:_SHOWN]))}")
    if root != stated:
        raise kind.damaged(path, f"the digests in {kind.list_name} do not match its root, so the list was altered")
    return facts


def _content(kind: ArchiveKind, archive: zipfile.ZipFile, entry: Mapping[str, Any], path: Path) -> bytes:
    """The bytes of one file; no more is unpacked than the list states, nor than its name allows."""
    name, size = str(entry["path"]), int(entry["bytes"])
    try:
        fits = archive.getinfo(name).file_size == size
        content = archives.read_zip_member(archive, name, kind.largest(name)) if fits else b""
    except UNPACKING as error:
        raise kind.damaged(path, f"{name} cannot be unpacked ({error})") from error
    if len(content) != size or hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise kind.damaged(path, f"{name} does not match the list, so it was altered or damaged")
    return content


def _entry(name: str, compression: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, date_time=_EPOCH)
    info.compress_type = compression
    info.external_attr = 0o644 << 16
    return info
