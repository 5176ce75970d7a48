"""The error of an export that is not possible."""

from datasets_registry import BenchError


class ExportError(BenchError, ValueError):
    """A model that a format cannot represent, or an export that does not give the model's own logits."""
