"""The error of files of predictions."""

from bench.errors import BenchError


class PredictionsError(BenchError, ValueError):
    """A file of predictions cannot be read, or contradicts the dataset."""
