"""Any metric over all past runs, from the predictions in the store and without a new fit. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from bench.metrics.scores import ECE_BINS, MetricInputError, calibration_error

if TYPE_CHECKING:
    import pandas as pd

METRICS = ("accuracy", "macro_accuracy", "nll", "brier", "ece", "aurc", "worst_class_accuracy")


def metrics_frame(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Every metric of every run and split.

    Stored logits are float32, so likelihood and calibration agree with the scores of the run to about 1e-6;
    accuracies agree exactly.

    Args:
        outcomes: the store's `outcomes_frame()`: one row per run, split and image.

    Returns:
        One row per `run_id` and `split` with `n` and the columns of `METRICS`.
    """
    import pandas as pd

    groups = outcomes.groupby(["run_id", "split"], sort=True, observed=True)
    place = groups.ngroup().to_numpy()
    order = np.argsort(place, kind="stable")
    ends = np.cumsum(np.bincount(place)) if len(place) else np.zeros(0, dtype=int)
    columns = {name: outcomes[name].to_numpy()[order] for name in _NEEDED}
    rows = []
    for (run_id, split), start, end in zip(groups.size().index, [0, *ends], ends, strict=False):
        part = {name: column[start:end] for name, column in columns.items()}
        rows.append({"run_id": run_id, "split": split, "n": end - start} | run_metrics(part))
    return pd.DataFrame(rows, columns=["run_id", "split", "n", *METRICS])


_NEEDED = ("label", "predicted", "true_logit", "top_logit", "log_sum_exp", "sum_p2")


def run_metrics(columns: Mapping[str, ArrayLike]) -> dict[str, float]:
    """Every metric of one run on one split.

    Args:
        columns: `label`, `predicted`, `true_logit`, `top_logit` (the highest), `log_sum_exp` and `sum_p2` (the sum of
            squared probabilities), `(n,)` each.
    """
    label, predicted = np.asarray(columns["label"]), np.asarray(columns["predicted"])
    true_logit, top_logit, log_sum_exp, sum_p2 = (
        np.asarray(columns[name], dtype=np.float64) for name in ("true_logit", "top_logit", "log_sum_exp", "sum_p2")
    )
    if not label.size:
        raise MetricInputError("No prediction was given, and a metric needs at least one.")
    correct = label == predicted
    confidence = np.minimum(np.exp(top_logit - log_sum_exp), 1.0)
    by_class = class_accuracies(label, correct)
    return {
        "accuracy": float(correct.mean()),
        "macro_accuracy": float(by_class.mean()),
        "nll": float((log_sum_exp - true_logit).mean()),
        "brier": float((1 - 2 * np.exp(true_logit - log_sum_exp) + sum_p2).mean()),
        "ece": calibration_error(confidence, correct, bins=ECE_BINS),
        "aurc": aurc(confidence, correct),
        "worst_class_accuracy": float(by_class.min()),
    }


def class_accuracies(label: ArrayLike, correct: ArrayLike) -> np.ndarray:
    """Accuracy on each class that has an image, in label order."""
    _, group, size = np.unique(np.asarray(label), return_inverse=True, return_counts=True)
    return np.bincount(group, weights=np.asarray(correct, dtype=np.float64)) / size


def aurc(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Area under the risk-coverage curve: mean error among the k most confident images, over k = 1..n.

    0 for a perfect classifier; the error rate for one whose confidence says nothing. Equal confidences count in every
    order, that is with their mean, so the order of the images does not matter (Geifman and El-Yaniv, NeurIPS 2017).

    Args:
        confidence: `(n,)` probability of the predicted class.
        correct: `(n,)` whether the prediction was right.

    Example:
        >>> aurc([0.9, 0.8, 0.7, 0.6], [1, 1, 0, 0])  # risks 0, 0, 1/3, 2/4
        0.20833333333333331
    """
    sure, right = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    if not sure.size:
        raise MetricInputError("No prediction was given, and a risk-coverage curve needs at least one.")
    _, group, size = np.unique(-sure, return_inverse=True, return_counts=True)
    mean_error = np.bincount(group, weights=1 - right) / size
    errors = np.cumsum(mean_error[np.sort(group)])
    return float(np.mean(errors / np.arange(1, len(sure) + 1)))


def headroom_gain(accuracy: float, zero_shot: float) -> float | None:
    """Share of what zero-shot left undone that the method does, (acc - zs) / (1 - zs); None where nothing was left.

    Example:
        >>> round(headroom_gain(0.95, 0.90), 6)
        0.5
    """
    return None if zero_shot >= 1 else (accuracy - zero_shot) / (1 - zero_shot)
