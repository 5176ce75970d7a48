"""The rows of the performance page: what was measured, what it is compared with, which goal it has, and the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import ClassVar

PLAIN = "plain"
"""What most rows are compared with: the plain implementation of `tests/support/plain.py`."""


@dataclass(frozen=True)
class Goal:
    """What a row should reach. All that is given must hold; nothing given is no goal.

    Args:
        at_least: bound of the ratio other / ours.
        at_most: bound of the ratio ours / other, for work that cannot be faster than what it is compared with.
        seconds: bound of our seconds.
        words: what these numbers do not say; the row says by `reached` whether it holds.
    """

    at_least: float | None = None
    at_most: float | None = None
    seconds: float | None = None
    words: str = ""

    def __str__(self) -> str:
        bounds = [
            f">= {self.at_least:g}x" if self.at_least is not None else "",
            f"<= {self.at_most:.2f}x" if self.at_most is not None else "",
            f"<= {self.seconds:g} s" if self.seconds is not None else "",
        ]
        return ", ".join(text for text in [*bounds, self.words] if text)


NO_GOAL = Goal()


@dataclass
class Row:
    """One line of the table.

    Args:
        ours: seconds of this benchmark.
        other: seconds of what it is compared with, None where there is nothing to compare with.
        against: what it is compared with.
        difference: largest relative difference of the two results.
        reached: whether the goal's words hold.
    """

    COLUMNS: ClassVar = (
        "work", "compared with", "goal", "ours, s", "other, s", "ratio", "reads", "met", "difference", "note", "date",
    )  # fmt: skip

    work: str
    goal: Goal
    ours: float | None
    other: float | None = None
    difference: float | None = None
    note: str = ""
    against: str = PLAIN
    reached: bool = True

    @property
    def met(self) -> str:
        """`yes` or `no`; empty without a goal or a measurement."""
        goal, ours = self.goal, self.ours
        if goal == NO_GOAL or ours is None:
            return ""
        fast = goal.seconds is None or ours <= goal.seconds
        if goal.at_least is not None or goal.at_most is not None:
            ratio = None if self.other is None else self.other / ours
            fast = fast and ratio is not None and ratio >= (goal.at_least or 0) and 1 / ratio <= (goal.at_most or 1e9)
        return "yes" if fast and self.reached else "no"

    def cells(self) -> list[str]:
        """The row as text, in the order of `COLUMNS`."""
        ratio, against, reads = "", "", "lower is better" if self.goal.seconds is not None else ""
        if self.ours is not None and self.other is not None:
            lower = self.goal.at_most is not None
            ratio = f"{self.ours / self.other if lower else self.other / self.ours:.2f}"
            reads = "ours / other, lower is better" if lower else "other / ours, higher is better"
            against = self.against
        ours, other = ("" if x is None else f"{x:.3g}" for x in (self.ours, self.other))
        difference = "" if self.difference is None else f"{self.difference:.0e}"
        today = date.today().isoformat()
        return [
            self.work, against, str(self.goal), ours, other, ratio, reads, self.met, difference, self.note, today,
        ]  # fmt: skip


class Table:
    """A table in Markdown. On a page it stands between `<!-- name -->` and `<!-- end of name -->`."""

    def __init__(self, name: str, columns: Sequence[str]) -> None:
        self.name = name
        self._head = [_line(columns), _line(["---"] * len(columns))]
        self._lines: dict[str, str] = {}

    def add(self, cells: Sequence[str]) -> str:
        """Add a row, which replaces one with the same first cell; returns its line."""
        self._lines[cells[0]] = _line(cells)
        return self._lines[cells[0]]

    def text(self) -> str:
        """Its lines."""
        return "\n".join([*self._head, *self._lines.values()])

    def written_into(self, page: str, *, keep: bool) -> str:
        """The page with this table; with `keep`, rows of the page that this table does not have stay."""
        start, end = f"<!-- {self.name} -->\n", f"<!-- end of {self.name} -->"
        head, _, rest = page.partition(start)
        old, _, tail = rest.partition(end)
        if keep:
            found = {line.split("|")[1].strip(): line for line in old.splitlines()[2:] if line.startswith("|")}
            self._lines = found | self._lines
        return f"{head}{start}{self.text()}\n{end}{tail}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
