"""Definition of checks, and running them on a method."""

import inspect
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from torch import Tensor

from bench.extensions.conformance.places import author_place
from bench.extensions.conformance.subject import Subject
from datasets_registry import BenchError
from methods import Family, MethodError


class CheckFailedError(BenchError, AssertionError):
    """A method fails a check."""


class DifferenceError(CheckFailedError):
    """Two results that must be equal differ, which unseeded random numbers may explain."""


class CheckOutcome(StrEnum):
    """Outcome of a check; `skipped` if it does not apply to the method."""

    PASSED = "pass"
    FAILED = "FAIL"
    SKIPPED = "skip"


@dataclass(frozen=True)
class Check:
    """One requirement of every method.

    Args:
        promise: the requirement, which is the first line of the function's docstring.
        remedy: what to do after a failure.
        test: raises CheckFailedError, or any error of the method.
        exempt: why the check does not apply to a method, or None.
        essential: whether the other checks are pointless after a failure.
        cause: whether a failure explains why results differ in other checks.
    """

    name: str
    promise: str
    remedy: str
    test: Callable[[Subject], None]
    exempt: Callable[[Subject], str | None]
    essential: bool = False
    cause: bool = False


@dataclass(frozen=True)
class Result:
    """Result of one check of one method.

    Args:
        message: the reason of a failure or skip.
        differs: whether it failed because two results differ.
    """

    check: Check
    outcome: CheckOutcome
    message: str = ""
    differs: bool = False

    def row(self) -> dict[str, str]:
        """The result as one row of a table; `remedy` is only given for a failure."""
        return {
            "check": self.check.name,
            "outcome": str(self.outcome),
            "promise": self.check.promise,
            "message": self.message,
            "remedy": self.check.remedy if self.outcome is CheckOutcome.FAILED else "",
        }


CHECKS: dict[str, Check] = {}
"""All checks by name, in the order in which they run."""


def untrained(subject: Subject) -> str | None:
    """Exempts methods without gradient steps."""
    return None if subject.is_trained else "it takes no gradient steps"


def learns_nothing(subject: Subject) -> str | None:
    """Exempts methods that learn nothing from labelled images."""
    info = subject.info
    nothing = info.family is Family.ZERO_SHOT or info.reads_test_stream or info.trains_on_pool
    return "it learns nothing from labelled images" if nothing else None


def reads_the_stream(subject: Subject) -> str | None:
    """Exempts methods that learn from unlabelled test images."""
    return "it learns from the test images" if subject.info.reads_test_stream else None


def has_no_stream(subject: Subject) -> str | None:
    """Exempts methods that classify each image by itself."""
    return None if subject.info.reads_test_stream else "it classifies each image by itself"


def check(
    remedy: str,
    *,
    exempt: Callable[[Subject], str | None] = lambda _: None,
    essential: bool = False,
    cause: bool = False,
) -> Callable[[Callable[[Subject], None]], Callable[[Subject], None]]:
    """Decorator: register a function as a check, with its name and the first line of its docstring."""

    def add(test: Callable[[Subject], None]) -> Callable[[Subject], None]:
        promise = (inspect.getdoc(test) or "").partition("\n")[0]
        CHECKS[test.__name__] = Check(test.__name__, promise, remedy, test, exempt, essential, cause)
        return test

    return add


def run_check(check: Check, subject: Subject) -> Result:
    """Run one check on one method. Any error that the method raises is a failure of the check."""
    try:
        if reason := check.exempt(subject):
            return Result(check, CheckOutcome.SKIPPED, reason)
        check.test(subject)
    except CheckFailedError as failure:
        return Result(check, CheckOutcome.FAILED, str(failure), differs=isinstance(failure, DifferenceError))
    except Exception as error:  # a method may raise anything, and the other checks must still run
        return Result(check, CheckOutcome.FAILED, describe_error(error, subject.file))
    return Result(check, CheckOutcome.PASSED)


def run_checks(subject: Subject) -> Iterator[Result]:
    """Run all checks on one method, in order; stops after a failed essential check.

    After a failed cause, other causes and checks whose results differ are not judged; the first cause may explain them.
    """
    cause = ""
    for each in CHECKS.values():
        result = run_check(each, subject)
        failed = result.outcome is CheckOutcome.FAILED
        if cause and failed and (result.differs or each.cause):
            yield Result(each, CheckOutcome.SKIPPED, f"first correct {cause}: {result.message}")
            continue
        yield result
        if failed and each.cause:
            cause = each.name
        if failed and each.essential:
            return


def sort_checks() -> None:
    """Bring the registered checks into the order in which they run: essential ones, causes, and all others."""
    ordered = sorted(CHECKS.values(), key=lambda each: (not each.essential, not each.cause))
    CHECKS.clear()
    CHECKS.update((each.name, each) for each in ordered)


def ensure(holds: bool, message: str) -> None:
    """Fail the check with that message unless it holds."""
    if not holds:
        raise CheckFailedError(message)


def ensure_equal(found: Tensor, expected: Tensor, message: str, *, tolerance: float = 0.0) -> None:
    """Raise DifferenceError unless two tensors are equal, up to a tolerance relative to the largest expected value."""
    ensure(found.shape == expected.shape, f"{message}: shapes {tuple(found.shape)} and {tuple(expected.shape)}")
    worst = float((found - expected).abs().max()) if found.numel() else 0.0
    allowed = tolerance * max(1.0, float(expected.abs().max())) if tolerance else 0.0
    if not worst <= allowed:  # also where a value is NaN
        raise DifferenceError(f"{message}: they differ by up to {worst:.2e}")


def describe_error(error: Exception, author: str = "") -> str:
    """The error in one line, with the innermost place in the author's file, or else in other code of methods."""
    frames = [] if isinstance(error, MethodError) else traceback.extract_tb(error.__traceback__)  # it names the place
    place = author_place(((frame.filename, frame.lineno or 0) for frame in frames), author)
    return f"{type(error).__name__}: {' '.join(str(error).split())}{place}"
