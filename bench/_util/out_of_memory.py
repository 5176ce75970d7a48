"""Recognises out-of-memory errors, on the CPU or a GPU."""

import re

_NO_MEMORY = re.compile(r"out of memory|not enough memory|can't allocate memory|cannot allocate memory", re.IGNORECASE)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out: a MemoryError, or one of torch's errors on any device."""
    if isinstance(error, MemoryError):
        return True
    named = {kind.__name__ for kind in type(error).__mro__}
    return "OutOfMemoryError" in named or (isinstance(error, RuntimeError) and bool(_NO_MEMORY.search(str(error))))
