"""The error of boards and submissions."""

from bench.errors import BenchError


class BoardError(BenchError, ValueError):
    """A board cannot be built or verified, or a submission to it cannot be prepared or opened."""
