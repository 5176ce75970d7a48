"""The output of a worker, and why it ended during a run."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from bench.errors import RunTimeoutError, WorkerDiedError, WorkerKilledError, WorkerMemoryError
from bench.sweep.launch.worker_limits import timeout_message
from datasets_registry import BenchError

HEAD, TAIL = 512 * 1024, 64 * 1024
"""Bytes kept from the beginning of a run's output, and from its end."""
_CHECK_SECONDS = 0.2
_MARK_BYTES = 80


@contextmanager
def output_to(path: Path, *, append: bool) -> Iterator[IO[bytes]]:
    """Redirect all output of this process to a file inside the block; yields the file, which is deleted if empty.

    Of a long output, the beginning and the end stay. `append` keeps the output of earlier attempts. Raises OSError if
    the file cannot be opened.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not append:
        path.unlink(missing_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    with path.open("ab+", buffering=0) as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
        end = threading.Event()
        cutter = threading.Thread(target=_cut, args=(file, os.fstat(file.fileno()).st_size + HEAD, end), daemon=True)
        cutter.start()
        try:
            yield file
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            end.set()
            cutter.join()
            for descriptor, stream in zip(saved, (1, 2), strict=True):
                os.dup2(descriptor, stream)
                os.close(descriptor)
    with suppress(FileNotFoundError):  # of a runs folder that was removed
        if path.stat().st_size == 0:
            path.unlink()


def _cut(file: IO[bytes], head: int, end: threading.Event) -> None:
    """Keep the first `head` bytes of a growing file and the last `TAIL`; what is between them is dropped."""
    dropped, ended = 0, False
    while not ended:
        ended = end.wait(_CHECK_SECONDS)
        size = os.fstat(file.fileno()).st_size
        if size <= head + (TAIL if ended else 4 * TAIL) + _MARK_BYTES:
            continue
        with suppress(OSError):  # a missing log must not fail a run
            tail = os.pread(file.fileno(), TAIL, size - TAIL)
            size = os.fstat(file.fileno()).st_size  # what was printed since is dropped as well
            dropped += size - head - len(tail) - (_MARK_BYTES if dropped else 0)
            os.ftruncate(file.fileno(), head)
            mark = f"\n[... {dropped} bytes are left out here ...]\n".encode().ljust(_MARK_BYTES)
            os.write(file.fileno(), mark + tail)


_KILLED = (-9, 137)
"""Exit codes after SIGKILL, as Python and as shells and containers report them."""


def exit_error(code: int, log: str, *, for_memory: bool = False, timeout: float | None = None) -> BenchError:
    """The error of the run during which a worker ended with a code, which is negative for a signal.

    `for_memory` says that the system has recorded a kill for lack of memory since the run began; `timeout` is the time
    limit in seconds if the run exceeded it.
    """
    if timeout is not None:
        return RunTimeoutError(f"{timeout_message(timeout)} {log}")
    died = f"worker {describe_exit(code)} during this run"
    if code not in _KILLED:
        return WorkerDiedError(f"{died}. {log}")
    if for_memory:
        return WorkerMemoryError(f"{died}, because memory ran out. Use fewer --jobs. {log}")
    return WorkerKilledError(f"{died}. The usual reason is a lack of memory; if so, use fewer --jobs. {log}")


def describe_exit(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"died with signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"died with signal {-code}"


def log_tail(log: Path) -> str:
    """The last line of a log, or `(empty)`."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.is_file() else []
    return lines[-1] if lines else "(empty)"
