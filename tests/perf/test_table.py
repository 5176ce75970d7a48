"""The table of the performance page: which way a ratio reads, whether a goal is met, and how rows are replaced."""

import pytest
from _table import NO_GOAL, Goal, Row, Table


def test_a_lower_bound_compares_the_other_side_with_ours() -> None:
    row = Row("CoOp step", Goal(at_least=15), ours=0.5, other=8.0)
    assert (row.ratio, row.reads, row.met) == (16.0, "other / ours, higher is better", "yes")


def test_an_upper_bound_compares_ours_with_the_other_side() -> None:
    row = Row("VPT step", Goal(at_most=1.10), ours=3.0, other=4.0)
    assert (row.ratio, row.reads, row.met) == (0.75, "ours / other, lower is better", "yes")


@pytest.mark.parametrize(
    ("goal", "ours", "other", "reached", "met"),
    [
        (Goal(at_least=4), 1.0, 3.9, True, "no"),
        (Goal(at_most=1.1), 1.2, 1.0, True, "no"),
        (Goal(seconds=0.7), 0.8, None, True, "no"),
        (Goal(seconds=0.7), 0.6, None, True, "yes"),
        (Goal(at_least=4), 1.0, None, True, "no"),
        (Goal(at_least=4, words="0 passes"), 1.0, 9.0, False, "no"),
        (Goal(words="fits"), 1.0, None, True, "yes"),
        (NO_GOAL, 1.0, 2.0, True, ""),
        (Goal(at_least=4), None, None, True, ""),
    ],
)
def test_a_goal_is_met_if_all_of_it_holds(goal: Goal, ours: float, other: float, reached: bool, met: str) -> None:
    assert Row("work", goal, ours, other, reached=reached).met == met


def test_a_page_keeps_the_rows_that_were_not_measured() -> None:
    page = Table("measured", ("work", "s"))
    for cells in (("a", "1"), ("b", "2")):
        page.add(cells)
    text = page.written_into("Before.\n<!-- measured -->\n<!-- end of measured -->\nAfter.\n", keep=False)
    new = Table("measured", ("work", "s"))
    new.add(("b", "3"))
    changed = new.written_into(text, keep=True)
    assert changed.splitlines() == [
        "Before.", "<!-- measured -->", "| work | s |", "| --- | --- |", "| a | 1 |", "| b | 3 |",
        "<!-- end of measured -->", "After.",
    ]  # fmt: skip
