"""Advisory locks on folders. The system releases them when their process dies, so no stale lock can remain."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

_LOG = logging.getLogger("bench._util.locking")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, `.NAME.lock` beside it, inside the block.

    Where no lock is possible, such as a read-only folder or a file system without locks, the block runs without it.
    """
    lock = FileLock(folder.parent / f".{folder.name}.lock")
    try:
        lock.acquire(poll_interval=0.005)
    except (OSError, NotImplementedError) as error:
        _LOG.debug("No lock for %s: %s", folder, error)
    try:
        yield
    finally:
        lock.release()
