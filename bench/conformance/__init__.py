"""What every method must do, as checks that the tests and `etl-bench check` share. Needs neither network nor pytest."""

from __future__ import annotations

from bench.conformance import answers, facts, learning, randomness, surroundings  # noqa: F401  each registers its checks
from bench.conformance.check import CHECKS, Check, Outcome, Result, run_check, run_checks
from bench.conformance.subject import Subject

__all__ = ["CHECKS", "Check", "Outcome", "Result", "Subject", "run_check", "run_checks"]
