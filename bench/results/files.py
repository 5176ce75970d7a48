"""Files and folders: atomic writes, locks, stamps, digests and names."""

import hashlib
import logging
import os
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock

_LOG = logging.getLogger("bench.results.files")


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
    if durable and os.name == "posix":  # flush the folder too, so that the rename survives a power failure
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_atomically(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write a file by `atomic_draft`."""
    with atomic_draft(path, durable=durable) as draft:
        draft.write_bytes(content)


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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a file system without locks gets a file in their place
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


def file_stamp(path: Path) -> str | None:
    """A text that changes whenever the file is replaced; None if it does not exist."""
    try:
        return stamp_of(path.stat())
    except FileNotFoundError:
        return None


def stamp_of(state: os.stat_result) -> str:
    """`file_stamp` of a file whose state has been read."""
    return f"{state.st_mtime_ns}:{state.st_size}:{state.st_ino}"


def sha256(data: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(data).hexdigest()


def slug(name: str) -> str:
    """A readable and unique file name for `name`: special characters become `-`, followed by a short digest."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name)
    return plain if plain == name else f"{plain.strip('-')}.{sha256(name.encode())[:8]}"
