"""The accuracy cost of selection rules as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bench._util.words import counted
from bench.api.leaderboard_table import board_title
from bench.api.result_table import ResultTable, Rows, TablePart

if TYPE_CHECKING:
    import pandas as pd

    from bench.analysis import Leaderboard, MeanTest, selection_rules

    Found = tuple[Leaderboard, Sequence[selection_rules.RuleDifference]]


def selection_table(differences: Sequence[Found]) -> ResultTable[Found]:
    """Each selection rule minus selection on validation images, one table per board with two rules to compare.

    `differences` are the boards with their rules, which have the numbers as fractions; the result has them as `source`.
    """
    return ResultTable(
        differences,
        [TablePart(_title(board), _rows(board, found)) for board, found in differences if found],
        notes=[_advice(board) for board, found in differences if not found],
        json=lambda: [_plain(board, found) for board, found in differences],
        frame=lambda: _frame(differences),
    )


def _title(board: Leaderboard) -> str:
    return f"{board_title(board)}: accuracy minus that of --selection validation, percentage points"


def _rows(board: Leaderboard, differences: Sequence[selection_rules.RuleDifference]) -> Rows:
    """One row over all methods and one row per method for each rule."""
    rows: Rows = []
    for found in differences:
        every = {f"mean of {counted(len(found.by_method), 'method')}": found.tests, **_named(board, found)}
        rows += [_row(found.rule, name, tests, board.measures) for name, tests in every.items()]
    return rows


def _advice(board: Leaderboard) -> str:
    """For a board without two rules to compare, the command that adds one."""
    from bench.analysis import selection_rules

    command = selection_rules.selection_command(board)
    advice = f"To add the missing runs: `{command}`" if command else "No method on this leaderboard selects anything."
    return f"{board_title(board)}: no method ran with `validation` and another rule. {advice}"


def _frame(differences: Sequence[Found]) -> pd.DataFrame:
    """One row per board, rule, method (empty for the mean of all) and measure; values are fractions."""
    import pandas as pd

    rows: Rows = [
        {"rule": found.rule, "method": method, "measure": measure, **_numbers(test), **board.setting.facts()}
        for board, rules in differences
        for found in rules
        for method, tests in {"": found.tests, **_named(board, found)}.items()
        for measure, test in tests.items()
    ]
    return pd.DataFrame(rows, columns=None if rows else ["rule", "method", "measure"])


def _plain(board: Leaderboard, differences: Sequence[selection_rules.RuleDifference]) -> dict[str, object]:
    return {
        "setting": board.setting.facts(),
        "reference": "validation",
        "rules": [
            {
                "rule": found.rule,
                "oracle": found.is_oracle,
                "measures": {measure: _numbers(test) for measure, test in found.tests.items()},
                "by_method": {
                    key: {measure: _numbers(test) for measure, test in tests.items()}
                    for key, tests in _named(board, found).items()
                },
            }
            for found in differences
        ],
    }


def _named(board: Leaderboard, found: selection_rules.RuleDifference) -> dict[str, Mapping[str, MeanTest]]:
    """The tests of each method, by the method and its distinguishing settings."""
    from bench.analysis import selection_rules

    named = {}
    for key, tests in found.by_method.items():
        entry = board.entry(key)
        settings = selection_rules.other_settings(entry)
        named[f"{entry.method} [{settings}]" if settings else entry.method] = tests
    return named


def _row(rule: str, methods: str, tests: Mapping[str, MeanTest], measures: Sequence[str]) -> dict[str, object]:
    from bench.analysis import score_texts, selection_rules

    row: dict[str, object] = {"rule": f"{rule} ({selection_rules.RULES[rule]})", "methods": methods}
    for measure in measures:
        test = tests.get(measure)
        row[measure] = "–" if test is None else score_texts.points(test.mean)
        row[f"95 % of {measure}"] = _interval(test)
    return row | {"pairs": max((test.n for test in tests.values()), default=0)}


def _interval(test: MeanTest | None) -> str:
    from bench.analysis import paired_average, score_texts

    if test is None:
        return "no common runs"
    return score_texts.points_interval(test.low, test.high) or paired_average.why_untested(test)


def _numbers(test: MeanTest) -> dict[str, float | int | None]:
    return {"difference": test.mean, "low": test.low, "high": test.high, "n": test.n, "datasets": test.groups}
