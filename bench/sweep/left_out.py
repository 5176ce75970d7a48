"""What a sweep leaves out, why, and how this is reported."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench._util.words import counted
from bench.errors import ImpossibleCombinationError
from bench.sweep.progress import SweepLog

_MOST_NAMES = 5
"""Names that a message lists."""


@dataclass(frozen=True)
class LeftOut:
    """What a sweep leaves out, and why.

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


def check_left_out(items: Sequence[LeftOut], *, nothing_left: bool) -> None:
    """Raise ImpossibleCombinationError if nothing is left, or something needed is not."""
    requested = [item for item in items if item.named]
    if requested and (nothing_left or any(item.needed for item in requested)):
        raise ImpossibleCombinationError(f"Cannot run {_first(by_reason(requested))}")
    if nothing_left:
        raise ImpossibleCombinationError(f"None of the requested combinations can run. {_first(by_reason(items))}")


def _first(lines: Sequence[str]) -> str:
    more = f" (and {len(lines) - 3} more reasons)" if len(lines) > 3 else ""
    *before, last = lines[:3]
    return "; ".join([*(line.rstrip(".") for line in before), last]) + more


def by_reason(items: Iterable[LeftOut]) -> list[str]:
    """One line per reason, with the names that it concerns. Names from patterns share one line per cause."""
    groups: dict[tuple[str, str], list[LeftOut]] = {}
    for item in items:
        summary = "" if item.named else item.summary
        groups.setdefault((summary, "" if summary else item.reason), []).append(item)
    lines = []
    for (summary, _), group in groups.items():
        names = [item.what for item in group]
        together = summary and len(group) > 1
        what = f"{counted(len(group), 'dataset')} ({', '.join(names)})" if together else grouped(names)
        lines.append(f"{what}: {summary if together else group[0].reason}")
    return lines


def distinct(items: Iterable[LeftOut]) -> tuple[LeftOut, ...]:
    """The items without repetition, in their order."""
    first_of_each: dict[tuple[str, str], LeftOut] = {}
    for item in items:
        first_of_each.setdefault((item.what, item.reason), item)
    return tuple(first_of_each.values())


def grouped(names: Sequence[str]) -> str:
    """Up to five names, and the number of further names."""
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def report_left_out(items: Sequence[LeftOut], log: SweepLog) -> None:
    """Report what is left out, one line per reason, and its effect on the exit code."""
    for line in by_reason(items):
        log.notice(f"left out: {line}")
    if any(item.named for item in items):
        log.notice("the rest runs, and the exit code is 3")
