"""The accuracy cost of selection rules as a table for terminals, notebooks, JSON and pandas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from bench._util.words import counted, html_table
from bench.api.leaderboard_table import board_title

if TYPE_CHECKING:
    import pandas as pd

    from bench.analysis import Leaderboard, MeanTest, RuleDifference


class SelectionTable:
    """Each selection rule minus selection on validation images. A notebook shows a table for each board.

    `differences` are the boards with their rules; they have the numbers as fractions.
    """

    def __init__(self, differences: Sequence[tuple[Leaderboard, Sequence[RuleDifference]]]) -> None:
        self.differences = tuple(differences)

    def title(self, board: Leaderboard) -> str:
        """A title that describes the numbers of a board."""
        return f"{board_title(board)}: accuracy minus that of --selection validation, percentage points"

    def rows(self, board: Leaderboard) -> list[dict[str, object]]:
        """One row over all methods and one row per method for each rule, as printed."""
        rows: list[dict[str, object]] = []
        for found in self._of(board):
            every = {f"mean of {counted(len(found.by_method), 'method')}": found.tests, **_named(board, found)}
            rows += [_row(found.rule, name, tests, board.measures) for name, tests in every.items()]
        return rows

    def notes(self) -> list[str]:
        """For a board without two rules to compare, the command that adds one."""
        from bench.analysis import selection_command

        notes = []
        for board, found in self.differences:
            if not found:
                command = selection_command(board)
                advice = (
                    f"To add the missing runs: {command}"
                    if command
                    else "No method on this leaderboard selects anything."
                )
                notes.append(f"{board_title(board)}: no method ran with `validation` and another rule. {advice}")
        return notes

    def to_frame(self) -> pd.DataFrame:
        """One row per board, rule, method (empty for the mean of all) and measure; values are fractions."""
        import pandas as pd

        rows: list[dict[str, object]] = [
            {"rule": found.rule, "method": method, "measure": measure, **_numbers(test), **board.setting.facts()}
            for board, differences in self.differences
            for found in differences
            for method, tests in {"": found.tests, **_named(board, found)}.items()
            for measure, test in tests.items()
        ]
        return pd.DataFrame(rows, columns=None if rows else ["rule", "method", "measure"])

    def to_json(self) -> list[dict[str, object]]:
        """Plain values of every board."""
        return [
            {
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
            for board, differences in self.differences
        ]

    def _of(self, board: Leaderboard) -> Sequence[RuleDifference]:
        return next(found for known, found in self.differences if known is board)

    def _repr_html_(self) -> str:
        tables = (html_table(self.title(board), self.rows(board)) for board, found in self.differences if found)
        return "".join([*tables, *(f"<p>{escape(note)}</p>" for note in self.notes())])

    def __str__(self) -> str:
        import pandas as pd

        parts = [
            f"{self.title(board)}\n{pd.DataFrame(self.rows(board)).to_string(index=False)}"
            for board, found in self.differences
            if found
        ]
        return "\n\n".join([*parts, *self.notes()])

    __repr__ = __str__


def _named(board: Leaderboard, found: RuleDifference) -> dict[str, Mapping[str, MeanTest]]:
    """The tests of each method, by the method and its distinguishing settings."""
    from bench.analysis import other_settings

    named = {}
    for key, tests in found.by_method.items():
        entry = board.entry(key)
        settings = other_settings(entry)
        named[f"{entry.method} [{settings}]" if settings else entry.method] = tests
    return named


def _row(rule: str, methods: str, tests: Mapping[str, MeanTest], measures: Sequence[str]) -> dict[str, object]:
    from bench.analysis import RULES

    row: dict[str, object] = {"rule": f"{rule} ({RULES[rule]})", "methods": methods}
    for measure in measures:
        test = tests.get(measure)
        row[measure] = "–" if test is None else f"{100 * test.mean:+.2f}"
        row[f"95 % of {measure}"] = _interval(test)
    return row | {"pairs": max((test.n for test in tests.values()), default=0)}


def _interval(test: MeanTest | None) -> str:
    from bench.analysis import why_untested

    if test is None:
        return "no common runs"
    if test.low is None or test.high is None:
        return why_untested(test)
    return f"{100 * test.low:+.2f} to {100 * test.high:+.2f}"


def _numbers(test: MeanTest) -> dict[str, float | int | None]:
    return {"difference": test.mean, "low": test.low, "high": test.high, "n": test.n, "datasets": test.groups}
