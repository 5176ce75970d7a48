"""What every method must do, as checks that the tests and `etl-bench check` share. Needs neither network nor pytest."""

from __future__ import annotations

from bench.conformance import _answers, _facts, _learning, _randomness, _surroundings  # noqa: F401  they add the checks
from bench.conformance._check import CHECKS, Check, Outcome, Result, run_check, run_checks
from bench.conformance._subject import Subject

__all__ = ["CHECKS", "Check", "Outcome", "Result", "Subject", "run_check", "run_checks"]
