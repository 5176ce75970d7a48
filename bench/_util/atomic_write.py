"""Writes files atomically: a file appears complete or not at all, even if the process dies or the power fails."""

import os
import threading
from pathlib import Path


def write_atomically(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write a temporary file beside the target, flush it to disk, rename it, flush the folder.

    The folder must exist. The temporary name includes process and thread, so that concurrent writers never share it.
    Without `durable`, nothing is flushed, and the file may not survive a power failure.
    """
    temporary = path.with_name(f".{path.name.partition('.')[0]}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)  # exists only after an error or an interrupt
    if durable:
        sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Flush a folder to disk, so that renames in it survive a power failure."""
    if os.name == "posix":
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
