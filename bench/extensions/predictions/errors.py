"""Errors of code and predictions of others."""

from bench.errors import BenchError


class PredictionsError(BenchError, ValueError):
    """A file of predictions cannot be read, or contradicts the dataset."""


class OfficialCodeError(BenchError, RuntimeError):
    """Official code cannot be run, or ended without predictions."""
