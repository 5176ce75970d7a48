"""Files: atomic writes, stamps and names."""

import hashlib
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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


def file_stamp(path: Path) -> str | None:
    """A text that changes whenever the file is replaced; None if it does not exist."""
    try:
        return stamp_of(path.stat())
    except FileNotFoundError:
        return None


def stamp_of(state: os.stat_result) -> str:
    """`file_stamp` of a file whose state has been read."""
    return f"{state.st_mtime_ns}:{state.st_size}:{state.st_ino}"


def slug(name: str) -> str:
    """A readable and unique file name for `name`: special characters become `-`, followed by a short digest."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name)
    return plain if plain == name else f"{plain.strip('-')}.{hashlib.sha256(name.encode()).hexdigest()[:8]}"
