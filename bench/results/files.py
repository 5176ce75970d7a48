"""Files: atomic writes, locks on folders, file names, and a cache of texts."""

import hashlib
import logging
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock


@contextmanager
def atomic_draft(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """A temporary file beside `path` to write inside the block; then it is flushed and takes the place of `path`.

    The folder must exist. The temporary name includes process and thread, so that concurrent writers never share it.
    Without `durable`, nothing is flushed, and the file may not survive a power failure. An OSError about the temporary
    file, or about no file as on a full disk, names the target.
    """
    draft = path.with_name(f".{path.name.partition('.')[0][:50]}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        yield draft
        if durable:
            with draft.open("r+b") as file:
                os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        if error.filename in (None, str(draft)):
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        draft.unlink(missing_ok=True)  # exists only after an error or an interrupt
    if durable:
        sync_folder(path.parent)


def write_atomically(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write a file by `atomic_draft`."""
    with atomic_draft(path, durable=durable) as draft:
        draft.write_bytes(content)


def sync_folder(path: Path) -> None:
    """Flush a folder to disk, so that renames in it survive a power failure."""
    if os.name == "posix":
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


_LOG = logging.getLogger("bench.results.files")


def file_stamp(path: Path) -> str | None:
    """A text that changes whenever the file is replaced; None if it does not exist."""
    try:
        return stamp_of(path.stat())
    except FileNotFoundError:
        return None


def stamp_of(state: os.stat_result) -> str:
    """`file_stamp` of a file whose state has been read."""
    return f"{state.st_mtime_ns}:{state.st_size}:{state.st_ino}"


@contextmanager
def locked(folder: Path, *, timeout: float = -1, leave: bool = True) -> Iterator[None]:
    """Hold the lock of a folder, `.NAME.lock` beside it, inside the block.

    If no lock is possible, as in a read-only folder or on a file system without locks, the block runs without it.

    Args:
        timeout: seconds to wait for the lock before the block runs without it; a negative value means no limit.
        leave: False deletes the lock file after the block. A process that waits for it and a later process may then run
            their blocks at the same time.
    """
    lock = FileLock(folder.parent / f".{folder.name}.lock", timeout=timeout)
    try:
        lock.acquire(poll_interval=0.005)
    except (OSError, NotImplementedError) as error:
        _LOG.debug("No lock for %s: %s", folder, error)
    try:
        yield
    finally:
        lock.release()
        if not leave:
            with suppress(OSError):
                Path(lock.lock_file).unlink()


TEXTS_FOLDER = "pages"
"""Folder of the texts inside the cache folder."""
_DIGITS = 64
_NAMED = f"*-{'[0-9a-f]' * 16}"
"""Pattern of the names of texts."""


@dataclass(frozen=True)
class TextCache:
    """Each text is a file `pages/NAME-KEY` that begins with the digest of the rest.

    The text is created again if its file is damaged or unreadable, or if the folder cannot be written. Without a cache
    folder nothing is cached.
    """

    folder: Path | None = None

    def text(self, name: str, key: str, make: Callable[[], str]) -> str:
        """The cached text, or that of `make`, which replaces all others of this name and depends only on `key`."""
        if self.folder is None:
            return make()
        path = self.folder / TEXTS_FOLDER / f"{name}-{_digest(key)[:16]}"
        found = _read(path)
        if found is None:
            found = make()
            _write(path, name, found)
        return found

    def sizes(self) -> dict[str, int]:
        """Size in bytes of each cached text, by file name; other files in the folder are not counted."""
        if self.folder is None:
            return {}
        return {path.name: path.stat().st_size for path in sorted((self.folder / TEXTS_FOLDER).glob(_NAMED))}

    def clear(self) -> int:
        """Delete all texts; returns the number of freed bytes."""
        found = self.sizes()
        for name in found:
            assert self.folder is not None  # it has texts
            (self.folder / TEXTS_FOLDER / name).unlink(missing_ok=True)
        return sum(found.values())


def _read(path: Path) -> str | None:
    try:
        digest, text = (data := path.read_text(encoding="utf-8"))[:_DIGITS], data[_DIGITS:]
    except (OSError, UnicodeDecodeError):
        return None
    return text if digest == _digest(text) else None


def _write(path: Path, name: str, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for old in path.parent.glob(f"{name}{_NAMED.removeprefix('*')}"):
            old.unlink(missing_ok=True)
        write_atomically(path, (_digest(text) + text).encode(), durable=False)
    except OSError:
        return  # a full disk or a read-only folder only costs time


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def slug(name: str) -> str:
    """A readable and unique file name for `name`: special characters become `-`, followed by a short digest."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name)
    return plain if plain == name else f"{plain.strip('-')}.{hashlib.sha256(name.encode()).hexdigest()[:8]}"
