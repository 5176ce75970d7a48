"""Files that appear whole or not at all, whatever dies while they are written."""

from __future__ import annotations

import os
import threading
from pathlib import Path


def write_atomically(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write beside the target, flush to the disk, rename over it, flush the folder.

    The temporary name carries process and thread, so that several writers of one folder never meet.

    Args:
        path: the target; its folder exists.
        content: all of it.
        durable: whether it must outlive a loss of power; without, nothing is flushed.
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
        temporary.unlink(missing_ok=True)  # there only if something, an interrupt too, came between
    if durable:
        _flush_folder(path.parent)


def _flush_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
