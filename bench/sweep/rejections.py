"""Combinations of a sweep that cannot run, with reasons."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.errors import ImpossibleCombinationError


@dataclass(frozen=True)
class Rejection:
    """A combination that cannot run, and why.

    Args:
        named: it was requested by name rather than by a pattern.
        needed: without it, the other runs would answer another question, so nothing runs.
    """

    what: str
    reason: str
    named: bool
    needed: bool = False


@dataclass
class Rejections:
    """The rejections of one expansion, without repetition."""

    _found: dict[tuple[str, str], Rejection] = field(default_factory=dict)

    def add(self, what: str, reason: str, *, named: bool, needed: bool = False) -> None:
        """Add a combination that is left out."""
        self._found.setdefault((what, reason), Rejection(what, reason, named, needed))

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
            more = f" (and {len(requested) - 3} more)" if len(requested) > 3 else ""
            raise ImpossibleCombinationError(f"Cannot run {_listed(requested)}{more}")
        if nothing_left:
            raise ImpossibleCombinationError(f"None of the requested combinations can run. {_listed(self.all())}")


def _listed(rejections: Sequence[Rejection]) -> str:
    return "; ".join(f"{rejection.what}: {rejection.reason}" for rejection in rejections[:3])
