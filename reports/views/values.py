"""Means with their intervals, and costs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Value:
    """A mean of `n` values; `half_width` is half of its 95 % interval, None without an interval."""

    mean: float
    n: int
    half_width: float | None = None


@dataclass(frozen=True)
class Cost:
    """Mean cost of one run; the parameter count is a range where it depends on the dataset.

    `fits`, `candidate_evaluations` and `tuning_seconds` are the cost of selection, None where it was not recorded.
    """

    parameters_low: int
    parameters_high: int
    prepare_seconds: float
    train_seconds: float
    eval_seconds: float
    steps: float
    image_passes: float
    prompted_image_passes: float
    text_passes: float
    peak_memory_bytes: int
    fits: float | None = None
    candidate_evaluations: float | None = None
    tuning_seconds: float | None = None
