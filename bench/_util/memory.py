"""Memory of a process: freeing it, and recognising out-of-memory errors on the CPU or a GPU."""

import ctypes
import gc
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's `mallopt`: amount of free memory to keep, and size from which a block is mapped separately."""
_KEPT = 2**30
_LARGEST_OF_OLD_VERSIONS = 2**25
"""The largest second threshold that glibc accepted before version 2.35."""
_VARIABLES = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def keep_freed_memory() -> bool:
    """Keep up to 1 GiB of freed memory in this process; returns whether the allocator accepted this.

    A forward pass frees and allocates the same large tensors again. By default glibc returns each of them to the
    system, which has to clear every page again. Results do not depend on it. Does nothing without glibc, or if the
    environment sets the allocator's thresholds.
    """
    if sys.platform != "linux" or any(name in os.environ for name in _VARIABLES):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    mapped = mallopt(_MMAP_THRESHOLD, _KEPT) or mallopt(_MMAP_THRESHOLD, _LARGEST_OF_OLD_VERSIONS)
    return bool(mapped and mallopt(_TRIM_THRESHOLD, _KEPT))


@contextmanager
def collect_only_new_objects() -> Iterator[None]:
    """Inside this block, garbage collection skips the objects that exist at its start, such as imported modules.

    A full collection takes about 0.3 seconds with torch and open_clip imported, and each run begins with one. Does
    nothing if objects are frozen already.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


_NO_MEMORY = re.compile(r"out of memory|not enough memory|can't allocate memory|cannot allocate memory", re.IGNORECASE)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out: a MemoryError, or one of torch's errors on any device."""
    if isinstance(error, MemoryError):
        return True
    kind_names = {kind.__name__ for kind in type(error).__mro__}
    return "OutOfMemoryError" in kind_names or (isinstance(error, RuntimeError) and bool(_NO_MEMORY.search(str(error))))
