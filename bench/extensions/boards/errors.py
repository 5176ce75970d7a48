"""Errors of boards and submissions."""

from bench.errors import BenchError


class SubmissionError(BenchError, ValueError):
    """A submission to a board cannot be prepared or opened."""


class BoardError(BenchError, ValueError):
    """A board cannot be verified."""
