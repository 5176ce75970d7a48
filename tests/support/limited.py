"""A call in a child process with limits of memory and CPU time."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

MEMORY = 512 * 2**20
"""Bytes that the call may take beyond what its process has."""


def limited(call: Callable[[], object], *, memory: int = MEMORY, seconds: int = 60) -> str:
    """What the call returns, or the class and message of its exception, as text.

    Raises AssertionError if the child is killed, as by the limit of its CPU time. Linux only.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
            most = pages * os.sysconf("SC_PAGE_SIZE") + memory
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
            used = int(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
            resource.setrlimit(resource.RLIMIT_CPU, (used + seconds, used + seconds + 1))
            try:
                said = str(call())
            except BaseException as error:
                said = f"{type(error).__name__}: {error}"
            os.write(write, said.encode()[:10_000])
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as answer:
        said = answer.read().decode()
    _, status = os.waitpid(child, 0)
    assert not os.WIFSIGNALED(status), f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return said
