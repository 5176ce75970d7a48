"""Limits and environment variables of a worker process."""

import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import IO

from bench.context import RunContext
from bench.errors import RunTimeoutError

CAN_LIMIT_MEMORY = sys.platform == "linux"
"""Whether this system can limit the memory of a process."""
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Environment variables that set the threads of the numerical libraries."""
GRACE = 10.0
"""Seconds that a worker has after the time limit to end itself before it is killed."""


@contextmanager
def deadline(seconds: float | None, *, end_process: IO[bytes] | None) -> Iterator[None]:
    """Stop the block when its time limit, if there is one, is exceeded.

    With a file as `end_process`, the stack of every thread is written to it and the process ends, even inside compiled
    code that never returns to Python. With None, RunTimeoutError is raised once the main thread runs Python code again.
    """
    if seconds is None:
        yield
    elif end_process is not None:
        faulthandler.dump_traceback_later(seconds, exit=True, file=end_process)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
    else:
        with _alarm(seconds):
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
    """The message for a run that exceeded its time limit."""
    return f"it took longer than the {seconds:g} s of --timeout and was stopped."


def limit_memory(most_bytes: int | None) -> None:
    """Make allocations above the limit fail in this process, unless it is None; Python and torch then raise errors.

    Only private writable memory counts, not reserved addresses, since CUDA reserves many gigabytes. Does nothing if
    `CAN_LIMIT_MEMORY` is False.
    """
    if most_bytes is None or sys.platform != "linux":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = most_bytes if hard == resource.RLIM_INFINITY else min(most_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
"""cuBLAS's workspace; with this value its results do not depend on the order in which streams finish."""


def device_variables(device: str) -> dict[str, str]:
    """Environment variables that a worker needs before torch starts, without those that the user has set."""
    if device.startswith("cuda"):
        variables = {_WORKSPACE: ":4096:8"}
    elif device == "mps":
        variables = {"PYTORCH_ENABLE_MPS_FALLBACK": "1"}
    else:
        variables = {}
    return {name: value for name, value in variables.items() if name not in os.environ}


def set_device_variables(context: RunContext) -> None:
    """Set the variables in this process, which must not have used the device yet."""
    os.environ.update(device_variables(context.device))


_MEMORY_EVENTS = (Path("/sys/fs/cgroup/memory.events"), Path("/proc/vmstat"))
"""Files in which Linux counts the processes that it killed for lack of memory: of this container, of the machine."""


def kills_for_memory(files: Sequence[Path] = _MEMORY_EVENTS) -> int:
    """Processes that the system has killed because memory ran out; 0 where it does not say.

    A count that has risen since a worker began its run shows that a kill was for memory.
    """
    for file in files:
        with suppress(OSError):
            for line in file.read_text(encoding="ascii", errors="replace").splitlines():
                name, _, number = line.partition(" ")
                if name == "oom_kill" and number.strip().isdigit():
                    return int(number)
    return 0
