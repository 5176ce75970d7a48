"""The output of a worker, and why it ended during a run."""

import io
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from bench.errors import RunTimeoutError, WorkerDiedError, WorkerKilledError, WorkerMemoryError
from bench.sweep.launch.transport import Exited
from bench.sweep.launch.worker_limits import timeout_message
from datasets_registry import BenchError

HEAD = 512 * 1024
"""Number of bytes kept from the beginning of a run's output."""
TAIL = 64 * 1024
"""Number of characters kept from its end."""
_CHECK_SECONDS = 0.2


class CappedLog(io.TextIOBase):
    """A text stream to a file: writes the first `HEAD` bytes at once, and the last `TAIL` characters at the end."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._room = HEAD
        self._tail: deque[str] = deque()
        self._held = 0
        self._left_out = 0
        self._lock = threading.Lock()

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, text: str) -> int:
        """Write or keep the text. Errors are ignored, since a missing log must not fail a run."""
        with self._lock:
            if self._room > 0:
                data = text.encode(errors="replace")
                self._room -= len(data)
                with suppress(OSError):
                    self._file.write(data)
            else:
                self._keep(text[-TAIL:], left_out=max(len(text) - TAIL, 0))
        return len(text)

    def fileno(self) -> int:
        """The file descriptor, for compiled code that writes to it directly."""
        return self._file.fileno()

    def finish(self) -> None:
        """Write the number of left-out characters and the end of the output."""
        with self._lock, suppress(OSError):
            if self._left_out:
                self._file.write(f"\n[... {self._left_out} characters are left out here ...]\n".encode())
            self._file.write("".join(self._tail).encode(errors="replace"))
            self._tail.clear()

    def _keep(self, text: str, *, left_out: int) -> None:
        self._tail.append(text)
        self._held += len(text)
        self._left_out += left_out
        while self._held - len(self._tail[0]) >= TAIL:
            dropped = len(self._tail.popleft())
            self._held -= dropped
            self._left_out += dropped


@contextmanager
def capture_output(path: Path, *, append: bool) -> Iterator[IO[bytes]]:
    """Redirect all output of this process to a file inside the block; yields the file, which is deleted if empty.

    Python's output is cut to a head and a tail. The output of compiled code goes to the same file, until the file
    exceeds that size; the rest is discarded. `append` keeps the output of earlier attempts. Raises OSError if the file
    cannot be opened.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not append:
        path.unlink(missing_ok=True)
    streams = sys.stdout, sys.stderr
    for stream in streams:
        stream.flush()
    saved = os.dup(1), os.dup(2)
    with path.open("ab", buffering=0) as file:
        log = CappedLog(file)
        end = threading.Event()
        size_limit = threading.Thread(
            target=_limit_size, args=(file, os.fstat(file.fileno()).st_size, end), daemon=True
        )
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        sys.stdout = sys.stderr = log
        size_limit.start()
        try:
            yield file
        finally:
            end.set()
            size_limit.join()
            sys.stdout, sys.stderr = streams
            log.finish()
            for descriptor, number in zip(saved, (1, 2), strict=True):
                os.dup2(descriptor, number)
                os.close(descriptor)
    with suppress(FileNotFoundError):  # of a runs folder that was removed
        if path.stat().st_size == 0:
            path.unlink()


def _limit_size(file: IO[bytes], begin: int, end: threading.Event) -> None:
    while not end.wait(_CHECK_SECONDS):
        if os.fstat(file.fileno()).st_size - begin > HEAD + TAIL:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            os.dup2(null, 2)
            os.close(null)
            return


_KILLED = (-9, 137)
"""Exit codes after SIGKILL, as Python and as shells and containers report them."""


def run_error(exited: Exited, *, timeout: float | None = None, losses: int = 0) -> BenchError:
    """The error of the run during which a worker exited.

    `timeout` is the time limit in seconds if the run exceeded it; `losses` is how often the run has lost its node.
    """
    if timeout is not None:
        return RunTimeoutError(f"{timeout_message(timeout)} {exited.log}")
    if losses:
        return WorkerDiedError(f"its node was lost {losses} times during this run.")
    return exited.error or WorkerDiedError(f"{exited.reason} during this run. {exited.log}")


def exit_error(code: int, log: str, *, for_memory: bool = False) -> BenchError:
    """The error of a run whose worker process exited with a code, which is negative for a signal.

    `for_memory` says that the system has recorded a kill for lack of memory since the run began.
    """
    if code in _KILLED and for_memory:
        return WorkerMemoryError(
            f"worker {describe_exit(code)} during this run, because memory ran out. Use fewer --jobs. {log}"
        )
    if code in _KILLED:
        return WorkerKilledError(
            f"worker {describe_exit(code)} during this run. The usual reason is a lack of memory; if so, use fewer "
            f"--jobs. {log}"
        )
    return WorkerDiedError(f"worker {describe_exit(code)} during this run. {log}")


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
