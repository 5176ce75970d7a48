"""All checks in the order in which they run."""

from bench.extensions.conformance import (  # noqa: F401  registers the checks
    classification,
    declared_info,
    devices,
    independence,
    learning,
)
from bench.extensions.conformance.check import CHECKS, run_checks, sort_checks

sort_checks()

__all__ = ["CHECKS", "run_checks"]
