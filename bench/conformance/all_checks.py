"""All checks in the order in which they run."""

from bench.conformance import classification, declared_info, devices, learning  # noqa: F401  registers the checks
from bench.conformance.check import CHECKS, run_checks

__all__ = ["CHECKS", "run_checks"]
