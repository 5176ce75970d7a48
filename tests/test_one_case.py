"""The helper that checks a table in one case."""

from __future__ import annotations

import pytest
from one_case import for_each


def test_a_failure_names_every_entry_for_which_it_occurs() -> None:
    seen: list[int] = []

    @for_each("number", [1, 2, 3, 4])
    def check(number: int) -> None:
        seen.append(number)
        assert number % 2, "even"

    with pytest.raises(AssertionError, match="even") as failed:
        check()
    assert seen == [1, 2, 3, 4]
    assert failed.value.__notes__ == ["Fails for 2 of 4: 2, 4"]


@for_each("left, right", [(1, 2), (3, 4)], ids=str)
def test_the_other_arguments_are_fixtures(left: int, right: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert right == left + 1
    assert tmp_path_factory.getbasetemp().is_dir()


def test_an_empty_table_is_refused() -> None:
    with pytest.raises(AssertionError, match="checks nothing"):
        for_each("number", [])
