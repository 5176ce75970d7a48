"""Columns of the calibration tables."""

from collections.abc import Callable
from dataclasses import dataclass

from reports._format import percent, signed_points


@dataclass(frozen=True)
class Column:
    """One measure: title with the better direction, explanation, and formatting of a value."""

    name: str
    title: str
    hint: str
    text: Callable[[float], str]


def _share(value: float) -> str:
    return signed_points(value).removeprefix("+")


QUALITY_COLUMNS = (
    Column("accuracy", "Accuracy ↑", "Top-1, percent", percent),
    Column("headroom_gain", "Zero-shot errors removed ↑", "Gain as a share of the zero-shot errors, percent", _share),
    Column("ece", "ECE ↓", "Expected calibration error, 15 bins of equal mass, percent", percent),
    Column("brier", "Brier ↓", "Mean squared error of the probabilities, 0 to 2", "{:.4f}".format),
    Column("nll", "NLL ↓", "Mean negative log-likelihood, nats", "{:.3f}".format),
    Column("aurc", "AURC ↓", "Area under the risk-coverage curve, percent", percent),
    Column("worst_class_accuracy", "Worst class ↑", "Accuracy on the worst class, percent", percent),
)
