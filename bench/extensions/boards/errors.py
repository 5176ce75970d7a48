"""The error of boards and submissions, in a file of its own since the command line loads it at every start."""

from bench.errors import BenchError


class SubmissionError(BenchError, ValueError):
    """A submission to a board cannot be prepared, opened or verified."""
