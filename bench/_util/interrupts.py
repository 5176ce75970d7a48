"""Counts Ctrl-C. The first lets current runs finish, the second stops at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class Interrupts:
    """How often Ctrl-C was pressed."""

    count: int = 0


@contextmanager
def counted_interrupts(*, raise_second: bool) -> Iterator[Interrupts]:
    """Count Ctrl-C inside the block. With `raise_second`, the second and later ones raise KeyboardInterrupt.

    Does nothing outside the main thread.
    """
    interrupts = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        interrupts.count += 1
        if raise_second and interrupts.count > 1:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, before)
