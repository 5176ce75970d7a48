"""The kit finds seeded bugs: every mutant fails the check that is meant for it, and every healthy host passes all."""

from __future__ import annotations

from typing import Any

import pytest
from mutants import GDA, MUTANTS

from bench.extensions.conformance import CHECKS, CheckOutcome, Subject, run_check, run_checks
from methods import Method

FIRST_OF_CHECK = {check: method for method, check in reversed(MUTANTS.items())}
CASES = [
    pytest.param(method, id=method.__name__, marks=[] if method is FIRST_OF_CHECK[check] else [pytest.mark.slow])
    for method, check in MUTANTS.items()
]


@pytest.mark.parametrize("method", CASES)
def test_a_seeded_bug_is_found_by_the_check_that_is_meant_for_it(method: type[Method[Any]]) -> None:
    """The healthy methods pass the same checks in `test_conformance.py`."""
    assert run_check(CHECKS[MUTANTS[method]], Subject(method)).outcome is CheckOutcome.FAILED


def test_every_check_of_behaviour_has_a_seeded_bug() -> None:
    assert set(CHECKS) - {"facts_are_complete"} == set(MUTANTS.values())


def test_an_error_of_a_method_is_reported_with_its_place_and_stops_after_an_essential_check() -> None:
    broken = next(method for method in MUTANTS if method.__name__ == "ReadsMoreThanItDeclares")
    *_, last = run_checks(Subject(broken))
    assert last.check == "it_runs"
    assert last.message.startswith("UndeclaredNeedError: Batch.features was read")


def test_a_check_that_does_not_apply_is_skipped_with_the_reason() -> None:
    result = run_check(CHECKS["training_learns"], Subject(GDA))
    assert (result.outcome, result.message) == (CheckOutcome.SKIPPED, "it takes no gradient steps")
