"""Advisory locks on folders: the system drops them when their process dies, so nothing stale can remain."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # no such locks on Windows: there one sweep at a time may write into a runs folder
    fcntl = None  # type: ignore[assignment]

_LOG = logging.getLogger("bench._util.locking")


@contextmanager
def locked(folder: Path, *, exclusive: bool) -> Iterator[None]:
    """Hold the advisory lock of a folder; a file system without such locks is used without."""
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        except OSError:
            _LOG.debug("No advisory locks in %s.", folder)
        yield
    finally:
        os.close(descriptor)
