"""Counts Ctrl-C. The first lets current runs finish, the second stops at once, as SIGTERM may do."""

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
def counted_interrupts(*, raise_second: bool = False, on_terminate: bool = False) -> Iterator[Interrupts]:
    """Count Ctrl-C inside the block; with `on_terminate`, SIGTERM counts as two.

    With `raise_second`, the second and later ones raise KeyboardInterrupt.

    Does nothing outside the main thread.
    """
    interrupts = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return

    def handle(number: int, _frame: FrameType | None) -> None:
        interrupts.count += 1 if number == signal.SIGINT else 2
        if raise_second and interrupts.count > 1:
            raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM) if on_terminate else (signal.SIGINT,)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
