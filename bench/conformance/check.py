"""What a check is, how it refuses, and how all of them are run on one method."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from torch import Tensor

from bench.conformance.subject import Subject
from datasets_registry import BenchError


class CheckFailedError(BenchError, AssertionError):
    """A method does not do what a check asks for."""


class Outcome(StrEnum):
    """How a check ended; `skipped` where it asks nothing of this method."""

    PASSED = "pass"
    FAILED = "FAIL"
    SKIPPED = "skip"


@dataclass(frozen=True)
class Check:
    """One thing that every method must do.

    Args:
        name: of the function that checks it.
        promise: what holds if it passes, as a sentence; the first line of that function's docstring.
        remedy: what to do about a failure.
        test: raises CheckFailedError, or whatever the method raises.
        exempt: why a method need not be checked, or None.
        essential: whether nothing else can be said of a method that fails it.
    """

    name: str
    promise: str
    remedy: str
    test: Callable[[Subject], None]
    exempt: Callable[[Subject], str | None]
    essential: bool = False


@dataclass(frozen=True)
class Result:
    """How one check ended for one method.

    Args:
        check: which.
        outcome: passed, failed or skipped.
        message: what was wrong, or why it was skipped; empty if it passed.
    """

    check: Check
    outcome: Outcome
    message: str = ""


CHECKS: dict[str, Check] = {}
"""All checks by name, in the order in which they are run."""


def _nobody(_: Subject) -> str | None:
    return None


def untrained(subject: Subject) -> str | None:
    """Exempts the methods that take no gradient steps."""
    return None if subject.is_trained else "it takes no gradient steps"


def check(
    remedy: str, *, exempt: Callable[[Subject], str | None] = _nobody, essential: bool = False
) -> Callable[[Callable[[Subject], None]], Callable[[Subject], None]]:
    """Decorator: make a check of a function; its name and the first line of its docstring are the check's."""

    def add(test: Callable[[Subject], None]) -> Callable[[Subject], None]:
        promise = (inspect.getdoc(test) or "").partition("\n")[0]
        CHECKS[test.__name__] = Check(test.__name__, promise, remedy, test, exempt, essential)
        return test

    return add


def run_check(asked: Check, subject: Subject) -> Result:
    """Ask one thing of one method. Whatever the method raises is a failure of the method, not of the caller."""
    try:
        if reason := asked.exempt(subject):
            return Result(asked, Outcome.SKIPPED, reason)
        asked.test(subject)
    except CheckFailedError as failure:
        return Result(asked, Outcome.FAILED, str(failure))
    except Exception as error:  # a method under test may raise anything, and the other checks still have a say
        return Result(asked, Outcome.FAILED, _raised(error))
    return Result(asked, Outcome.PASSED)


def run_checks(subject: Subject) -> Iterator[Result]:
    """Ask everything of one method, in order; behind a failed essential check the rest would only repeat it."""
    for asked in CHECKS.values():
        result = run_check(asked, subject)
        yield result
        if asked.essential and result.outcome is Outcome.FAILED:
            return


def ensure(holds: bool, message: str) -> None:
    """Fail the check with that message unless it holds."""
    if not holds:
        raise CheckFailedError(message)


def ensure_equal(found: Tensor, wanted: Tensor, message: str, *, tolerance: float = 0.0) -> None:
    """Fail the check unless two tensors are equal, up to a tolerance relative to the largest wanted value."""
    ensure(found.shape == wanted.shape, f"{message}: shapes {tuple(found.shape)} and {tuple(wanted.shape)}")
    worst = float((found - wanted).abs().max()) if found.numel() else 0.0
    allowed = tolerance * max(1.0, float(wanted.abs().max())) if tolerance else 0.0
    ensure(worst <= allowed, f"{message}: they differ by up to {worst:.2e}")


def _raised(error: Exception) -> str:
    """The error in a line, with the place in the method's own code that is nearest to where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/bench/" not in frame.filename and "/torch/" not in frame.filename]
    place = f" ({own[-1].filename}:{own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())}{place}"
