"""Work ahead of its use: same results in the same order, never too far ahead, errors where they belong."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from patience import PATIENCE

from bench._util.prefetch import parallel_map, prefetch


def test_results_come_in_order_and_from_another_thread():
    threads = set()

    def work(item: int) -> int:
        threads.add(threading.get_ident())
        return item * item

    assert list(prefetch(range(20), work)) == [i * i for i in range(20)]
    assert threading.get_ident() not in threads
    assert len(threads) == 1
    assert list(prefetch([], work)) == []


@pytest.mark.parametrize("depth", [1, 3])
def test_the_next_items_are_worked_on_while_one_is_used_but_no_more(depth: int):
    done: list[int] = []
    reached = threading.Condition()

    def work(item: int) -> int:
        with reached:
            done.append(item)
            reached.notify_all()
        return item

    for used in prefetch(range(30), work, depth=depth):
        hoped = min(used + depth, 29)
        with reached:
            assert reached.wait_for(lambda hoped=hoped: hoped in done, timeout=PATIENCE), "nobody works ahead"
            assert max(done) <= used + depth
    assert done == list(range(30))


def test_an_error_is_raised_where_its_result_is_asked_for():
    def work(item: int) -> int:
        if item == 2:
            raise ValueError("image 2 is torn")
        return item

    results = prefetch(range(9), work)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="image 2 is torn"):
        next(results)
    assert list(results) == []


def test_closing_early_begins_nothing_more():
    done = []
    results = prefetch(range(100), lambda item: done.append(item) or item, depth=2)
    next(results)
    results.close()
    begun = len(done)
    assert begun <= 4
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("prefetch")] == []


def test_parallel_map_keeps_the_order():
    with ThreadPoolExecutor(4) as pool:
        assert parallel_map(range(50), lambda i: -i, pool) == [-i for i in range(50)]
    assert parallel_map(range(3), lambda i: -i, None) == [0, -1, -2]
