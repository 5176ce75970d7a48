"""Easy and hard datasets: thirds by difficulty, or those that the user names for claims."""

from __future__ import annotations

import pytest

from bench.analysis.easy_and_hard import chosen_groups, difficulty_groups
from bench.errors import UsageError

DIFFICULTY = {name: float(place) for place, name in enumerate("fbdaec")}


def test_thirds_by_difficulty_and_no_groups_below_six_datasets():
    assert difficulty_groups("abcdef", DIFFICULTY) == (["f", "b"], ["e", "c"])
    assert difficulty_groups("abcde", DIFFICULTY) == ([], [])
    many = {f"d{i:02}": float(i) for i in range(30)}
    assert difficulty_groups(sorted(many), many)[0] == ["d00", "d01", "d02"], "at most three"


def test_named_groups_ignore_difficulty_and_datasets_without_runs():
    groups = chosen_groups(["c", "zz"], ["f", "b"])
    assert groups("abc", DIFFICULTY) == (["c"], ["b"])
    assert chosen_groups([], []) is difficulty_groups


@pytest.mark.parametrize(
    ("easy", "hard", "message"),
    [
        (["a"], [], "easy and hard go"),
        ([], ["a"], "easy and hard go"),
        (["a", "b"], ["b", "c"], "b cannot be both"),
    ],
)
def test_empty_and_overlapping_groups_are_errors(easy: list[str], hard: list[str], message: str):
    with pytest.raises(UsageError, match=message):
        chosen_groups(easy, hard)
