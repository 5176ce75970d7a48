"""The list of versions with equal predictions grows at its end, and drops what does not lead to today's code."""

import pytest

from bench.results.staleness import equivalent_code
from tools.equivalent_code import digests, extended


@pytest.mark.parametrize(
    ("listed", "before", "now", "then"),
    [
        ("abcd", "cd", "ef", "abcdef"),
        ("abcdef", "cd", "gh", "abcdefgh"),
        ("abcd", "xy", "ef", "xyef"),
        ("abcd", "cd", "cd", "abcd"),
        ("abcdef", "ef", "cd", "abefcd"),
    ],
)
def test_the_versions_of_a_method(listed: str, before: str, now: str, then: str) -> None:
    assert extended(list(listed), (before[0], before[1]), (now[0], now[1])) == list(then)


def test_digests_are_those_of_todays_code() -> None:
    names = list(equivalent_code())[:2]
    assert all(len(digest) == 64 for pair in digests(names).values() for digest in pair)
