"""What a run may take of time and memory, and how it is stopped when it takes more."""

from __future__ import annotations

import faulthandler
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import IO

from bench.errors import RunTimeoutError
from bench.launch.protocol import Limits

GRACE = 10.0
"""Seconds that a worker gets to end itself when a run's time is over, before it is killed."""


@contextmanager
def deadline(limits: Limits, *, end_process: IO[bytes] | None) -> Iterator[None]:
    """Stop the block when its time is over.

    Args:
        limits: the time; nothing happens without one.
        end_process: where to write what every thread was doing before this process ends, at once and even inside code
            that never returns to Python. None stops the block by RunTimeoutError instead, for a process that has more
            to do; that needs a main thread that still runs Python.
    """
    if limits.seconds is None:
        yield
    elif end_process is not None:
        faulthandler.dump_traceback_later(limits.seconds, exit=True, file=end_process)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
    else:
        with _alarm(limits.seconds):
            yield


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise RunTimeoutError(timeout_message(seconds))

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def timeout_message(seconds: float) -> str:
    """What a run is told whose time is over."""
    return f"it took longer than the {seconds:g} s of --timeout and was stopped."


def limit_memory(limits: Limits) -> None:
    """Make allocations fail in this process beyond its limit, which Python and torch report as errors of their own.

    Counted is private writable memory: addresses that are only reserved, as CUDA does by the gigabyte, do not count.
    """
    if limits.memory_bytes is None or sys.platform != "linux":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = limits.memory_bytes if hard == resource.RLIM_INFINITY else min(limits.memory_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))
