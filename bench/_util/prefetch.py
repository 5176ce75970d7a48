"""Prefetching: decodes the next images while the towers compute on the current ones.

It uses threads because Pillow and torch release the interpreter lock, and because threads share pixels without copying.
Results do not depend on it, since views are pure functions.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

DEPTH = 2
"""Number of results computed in advance, each a batch of pixels. A larger number only costs memory."""


def prefetch(items: Iterable[ItemT], work: Callable[[ItemT], ResultT], *, depth: int = DEPTH) -> Iterator[ResultT]:
    """Call `work` on each item in order, in one background thread, at most `depth` results in advance.

    An exception of `work` is raised when its result is requested. Closing the iterator cancels work that has not
    started.
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
    """The results of `work` for all items in order, from the pool's threads or, without a pool, from this thread."""
    if pool is None or len(items) < 2:
        return [work(item) for item in items]
    return list(pool.map(work, items))
