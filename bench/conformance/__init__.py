"""Checks that every method must pass, for the tests and `etl-bench check`; they need neither network nor pytest."""

from bench.conformance import classification, declared_info, keeping, learning, randomness, shared_state  # noqa: F401  registers the checks
from bench.conformance.check import CHECKS, Check, Outcome, Result, run_check, run_checks
from bench.conformance.subject import Subject

__all__ = ["CHECKS", "Check", "Outcome", "Result", "Subject", "run_check", "run_checks"]
