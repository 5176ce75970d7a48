"""What a run prints, in a file of its own that cannot grow without end."""

from __future__ import annotations

import io
import os
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

HEAD = 512 * 1024
"""Bytes of a run's output that are kept from its beginning."""
TAIL = 64 * 1024
"""Characters that are kept from its end."""
_LOOK = 0.2


class CappedLog(io.TextIOBase):
    """Text that goes to a file: the first `HEAD` bytes as they come, the last `TAIL` characters at the end."""

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
        """Keep what there is room for. A log that cannot be written is no reason for a run to fail."""
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
        """Of the file, for those who write past Python."""
        return self._file.fileno()

    def finish(self) -> None:
        """Write the end of what was printed, with how much is missing before it."""
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
    """Send all that this process prints to a file while inside; yields the file. One that stays empty is removed.

    Python's prints are cut to a head and a tail. What compiled code prints past Python goes to the same file, and to
    nowhere from the moment at which the file is larger than that.

    Args:
        path: the file.
        append: keep what an earlier attempt printed.

    Raises:
        OSError: if the file cannot be opened.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not append:
        path.unlink(missing_ok=True)
    before = sys.stdout, sys.stderr
    for stream in before:
        stream.flush()
    saved = os.dup(1), os.dup(2)
    with path.open("ab", buffering=0) as file:
        log = CappedLog(file)
        end = threading.Event()
        guard = threading.Thread(target=_guard, args=(file, os.fstat(file.fileno()).st_size, end), daemon=True)
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        sys.stdout = sys.stderr = log
        guard.start()
        try:
            yield file
        finally:
            end.set()
            guard.join()
            sys.stdout, sys.stderr = before
            log.finish()
            for descriptor, place in zip(saved, (1, 2), strict=True):
                os.dup2(descriptor, place)
                os.close(descriptor)
    if path.stat().st_size == 0:
        path.unlink(missing_ok=True)


def _guard(file: IO[bytes], begin: int, end: threading.Event) -> None:
    while not end.wait(_LOOK):
        if os.fstat(file.fileno()).st_size - begin > HEAD + TAIL:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            os.close(nowhere)
            return
