"""Locks on folders."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock

_LOG = logging.getLogger("bench.results.folder_locks")


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
