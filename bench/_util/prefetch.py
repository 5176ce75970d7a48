"""Work done a little ahead of its use: decoding the next images while the towers compute on these.

Threads, not processes: Pillow and torch let go of the interpreter while they decode, resize and multiply, and a thread
hands its pixels over without copying them. What is computed never depends on it: views are pure functions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

DEPTH = 2
"""Results that may wait to be used, each a batch of pixels; more only takes memory."""


def prefetch(items: Iterable[ItemT], work: Callable[[ItemT], ResultT], *, depth: int = DEPTH) -> Iterator[ResultT]:
    """`work` on each item in order, in one background thread, at most `depth` results before they are asked for.

    What `work` raises is raised where its result is asked for. Closing the iterator drops what has not begun.

    Args:
        items: taken one by one, as far ahead as `depth`.
        work: is never called by two threads at once.
        depth: 1 or more.
    """
    waiting: deque[Future[ResultT]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="prefetch") as thread:
        try:
            for item in items:
                waiting.append(thread.submit(work, item))
                if len(waiting) > depth:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def parallel_map(
    items: Sequence[ItemT], work: Callable[[ItemT], ResultT], pool: ThreadPoolExecutor | None
) -> list[ResultT]:
    """`work` on all items by the pool's threads, results in order; one after the other without a pool."""
    if pool is None or len(items) < 2:
        return [work(item) for item in items]
    return list(pool.map(work, items))
