"""Combinations of a sweep that cannot work, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.errors import ImpossibleCombinationError


@dataclass(frozen=True)
class Refusal:
    """A combination that cannot work, and why. `named`: it was asked for by name, not caught by a pattern."""

    what: str
    reason: str
    named: bool


@dataclass
class Refusals:
    """The refusals of one expansion, each said once."""

    _found: dict[tuple[str, str], Refusal] = field(default_factory=dict)

    def add(self, what: str, reason: str, *, named: bool) -> None:
        """Note a combination that is left out."""
        self._found.setdefault((what, reason), Refusal(what, reason, named))

    def all(self) -> tuple[Refusal, ...]:
        """All refusals, in the order in which they were found."""
        return tuple(self._found.values())

    def names(self, what: str) -> bool:
        """Whether something was refused under that name."""
        return any(refusal.what == what for refusal in self.all())

    def check(self, *, nothing_left: bool) -> None:
        """Raise ImpossibleCombinationError if something asked for by name was refused, or if nothing is left."""
        insisted = [refusal for refusal in self.all() if refusal.named]
        if insisted:
            more = f" (and {len(insisted) - 3} more)" if len(insisted) > 3 else ""
            raise ImpossibleCombinationError(f"Cannot run {_listed(insisted)}{more}")
        if nothing_left:
            raise ImpossibleCombinationError(f"Nothing of what was asked for can run. {_listed(self.all())}")


def _listed(refusals: Sequence[Refusal]) -> str:
    return "; ".join(f"{refusal.what}: {refusal.reason}" for refusal in refusals[:3])
