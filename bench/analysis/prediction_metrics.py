"""Metrics of stored runs, recomputed from the stored predictions without training. Pure."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from bench.metrics import ECE_BINS, MetricInputError, aurc, calibration_error, class_accuracies

METRICS = ("accuracy", "macro_accuracy", "nll", "brier", "ece", "aurc", "worst_class_accuracy")


def metrics_frame(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Every metric of every run and split.

    Stored logits are float32. Likelihood and calibration therefore agree with the run's own scores to about 1e-6;
    accuracies agree exactly.
    The frame has one row per `run_id` and `split`, with `n` and the columns of `METRICS`.
    """
    columns = {name: outcomes[name].to_numpy() for name in _COLUMNS}
    groups: dict[Any, Any] = dict(outcomes.groupby(["run_id", "split"], observed=True).indices)
    rows = [
        {"run_id": run_id, "split": split, "n": len(at)}
        | run_metrics({name: values[at] for name, values in columns.items()})
        for (run_id, split), at in sorted(groups.items())
    ]
    return pd.DataFrame(rows, columns=["run_id", "split", "n", *METRICS])


_COLUMNS = ("label", "predicted", "true_logit", "top_logit", "log_sum_exp", "sum_p2")


def run_metrics(columns: Mapping[str, ArrayLike]) -> dict[str, float]:
    """Every metric of one run on one split.

    The columns, `(n,)` each, are `label`, `predicted`, `true_logit`, `top_logit` (the highest), `log_sum_exp` and
    `sum_p2` (the sum of squared probabilities). Raises MetricInputError if there is no prediction.
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
