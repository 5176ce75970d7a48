"""Combinations of a sweep that cannot run, with reasons."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bench._util.counted import counted
from bench.errors import ImpossibleCombinationError

MOST_NAMES = 5
"""Names that a message lists."""


@dataclass(frozen=True)
class Rejection:
    """A combination that cannot run, and why.

    Args:
        named: it was requested by name rather than by a pattern.
        needed: without it, the other runs would answer another question, so nothing runs.
        summary: for a dataset, a reason that fits all that a pattern caught for the same cause; else empty.
    """

    what: str
    reason: str
    named: bool
    needed: bool = False
    summary: str = ""


@dataclass
class Rejections:
    """The rejections of one expansion, without repetition."""

    _found: dict[tuple[str, str], Rejection] = field(default_factory=dict)

    def add(self, what: str, reason: str, *, named: bool, needed: bool = False, summary: str = "") -> None:
        """Add a combination that is left out."""
        self._found.setdefault((what, reason), Rejection(what, reason, named, needed, summary))

    def all(self) -> tuple[Rejection, ...]:
        """All rejections, in the order found."""
        return tuple(self._found.values())

    def names(self, what: str) -> bool:
        """Whether something was rejected under this name."""
        return any(rejection.what == what for rejection in self.all())

    def check(self, *, nothing_left: bool, strict: bool) -> None:
        """Raise ImpossibleCombinationError if nothing is left, something needed is not, or `strict` something named."""
        requested = [rejection for rejection in self.all() if rejection.named]
        if requested and (nothing_left or strict or any(rejection.needed for rejection in requested)):
            raise ImpossibleCombinationError(f"Cannot run {_first(by_reason(requested))}")
        if nothing_left:
            raise ImpossibleCombinationError(
                f"None of the requested combinations can run. {_first(by_reason(self.all()))}"
            )


def _first(lines: Sequence[str]) -> str:
    more = f" (and {len(lines) - 3} more reasons)" if len(lines) > 3 else ""
    *before, last = lines[:3]
    return "; ".join([*(line.rstrip(".") for line in before), last]) + more


def by_reason(rejections: Iterable[Rejection]) -> list[str]:
    """One line per reason, with the names that it concerns. Names from patterns share one line per cause."""
    found: dict[tuple[str, str], list[Rejection]] = {}
    for rejection in rejections:
        summary = "" if rejection.named else rejection.summary
        found.setdefault((summary, "" if summary else rejection.reason), []).append(rejection)
    return [_line(summary, group) for (summary, _), group in found.items()]


def _line(summary: str, group: Sequence[Rejection]) -> str:
    names = [rejection.what for rejection in group]
    if summary and len(group) > 1:
        return f"{counted(len(group), 'dataset')} ({', '.join(names)}): {summary}"
    return f"{grouped(names)}: {group[0].reason}"


def grouped(names: Sequence[str]) -> str:
    """Up to five names, and the number of further names."""
    return (
        ", ".join(names)
        if len(names) <= MOST_NAMES
        else f"{', '.join(names[:MOST_NAMES])} and {len(names) - MOST_NAMES} more"
    )
