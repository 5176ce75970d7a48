"""How good predictions are: pure functions of logits and labels, in numpy.

`logits` is `(n, n_cls)`, `labels` `(n,)` with integers in 0..n_cls-1. Fractions are 0..1. A tie goes to the class with
the lower index, as argmax gives it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from datasets_registry import BenchError

ECE_BINS = 15

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class MetricInputError(BenchError, ValueError):
    """Logits and labels that no metric can be computed from."""


def accuracy(logits: ArrayLike, labels: ArrayLike) -> float:
    """Share of images whose highest logit is the true class (top-1, micro)."""
    scores, truth = _checked(logits, labels)
    return float(np.mean(scores.argmax(1) == truth))


def macro_accuracy(logits: ArrayLike, labels: ArrayLike) -> float:
    """Mean over classes of the accuracy on a class's images (mean recall); classes without an image are left out."""
    scores, truth = _checked(logits, labels)
    hits, total, _ = _class_counts(scores, truth)
    present = total > 0
    return float(np.mean(hits[present] / total[present]))


def macro_precision(logits: ArrayLike, labels: ArrayLike) -> float:
    """Mean over all classes of the share of right ones among a class's predictions; never predicted counts 0."""
    scores, truth = _checked(logits, labels)
    hits, _, predicted = _class_counts(scores, truth)
    return float(np.mean(hits / np.maximum(predicted, 1)))


def nll(logits: ArrayLike, labels: ArrayLike) -> float:
    """Mean negative log-likelihood of the true class, in nats."""
    scores, truth = _checked(logits, labels)
    return float(-np.mean(_log_softmax(scores)[np.arange(len(truth)), truth]))


def brier(logits: ArrayLike, labels: ArrayLike) -> float:
    """Mean squared distance between the probabilities and the one-hot truth, summed over classes: 0 to 2."""
    scores, truth = _checked(logits, labels)
    distance = np.exp(_log_softmax(scores))
    distance[np.arange(len(truth)), truth] -= 1
    return float(np.mean(np.sum(distance**2, axis=1)))


def ece(logits: ArrayLike, labels: ArrayLike, *, bins: int = ECE_BINS) -> float:
    """Expected calibration error of the top prediction, with bins of equal mass; see `calibration_error`."""
    scores, truth = _checked(logits, labels)
    confidence = np.exp(_log_softmax(scores).max(1))
    return calibration_error(confidence, scores.argmax(1) == truth, bins=bins)


def calibration_error(confidence: ArrayLike, correct: ArrayLike, *, bins: int = ECE_BINS) -> float:
    """Mean gap between confidence and accuracy over bins that hold equally many images.

    Images are sorted by confidence and cut into `bins` runs whose lengths differ by at most one (fewer runs where there
    are fewer images). Where a cut falls among equal confidences, each of them counts with their mean correctness, so
    the result does not depend on the order of the images.

    Args:
        confidence: `(n,)` probability of the predicted class.
        correct: `(n,)` whether the prediction was right.
        bins: number of bins; 15 as in Guo et al. 2017, who cut by equal width instead of equal mass.
    """
    sure, right = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    if not sure.size:
        raise MetricInputError("No prediction was given, and calibration needs at least one.")
    values, group, size = np.unique(sure, return_inverse=True, return_counts=True)
    mean_right = np.bincount(group, weights=right) / size
    order = np.sort(group)
    gaps = (mean_right - values)[order]
    runs = np.array_split(gaps, min(bins, len(gaps)))
    return float(sum(abs(run.sum()) for run in runs) / len(gaps))


def all_metrics(logits: ArrayLike, labels: ArrayLike) -> dict[str, float]:
    """Every metric of a `Score`, under its field's name."""
    return {
        "accuracy": accuracy(logits, labels),
        "macro_accuracy": macro_accuracy(logits, labels),
        "macro_precision": macro_precision(logits, labels),
        "nll": nll(logits, labels),
        "brier": brier(logits, labels),
        "ece": ece(logits, labels),
    }


def harmonic_mean(base: float, new: float) -> float:
    """H of two accuracies, `2 base new / (base + new)`; 0 if both are 0."""
    return 2 * base * new / (base + new) if base + new > 0 else 0.0


def h_of_means(base: Sequence[float], new: Sequence[float]) -> float:
    """The average row of the CoOp line: H of the mean base and the mean new accuracy over datasets.

    Example:
        >>> round(h_of_means([0.9, 0.5], [0.5, 0.5]), 4), round(mean_of_h([0.9, 0.5], [0.5, 0.5]), 4)
        (0.5833, 0.5714)
    """
    _check_pairs(base, new)
    return harmonic_mean(float(np.mean(base)), float(np.mean(new)))


def mean_of_h(base: Sequence[float], new: Sequence[float]) -> float:
    """The average row of APEX's trained methods: mean over datasets of each dataset's H. Never above `h_of_means`."""
    _check_pairs(base, new)
    return float(np.mean([harmonic_mean(b, n) for b, n in zip(base, new, strict=True)]))


def _class_counts(scores: Floats, truth: Ints) -> tuple[Ints, Ints, Ints]:
    """Per class: right predictions, images, predictions."""
    n_cls, guess = scores.shape[1], scores.argmax(1)
    hits = np.bincount(truth[guess == truth], minlength=n_cls)
    return hits, np.bincount(truth, minlength=n_cls), np.bincount(guess, minlength=n_cls)


def _log_softmax(scores: Floats) -> Floats:
    shifted = scores - scores.max(1, keepdims=True)
    log_probabilities: Floats = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return log_probabilities


def _checked(logits: ArrayLike, labels: ArrayLike) -> tuple[Floats, Ints]:
    scores = np.asarray(logits, dtype=np.float64)
    truth = np.asarray(labels)
    if scores.ndim != 2 or truth.shape != scores.shape[:1] or not scores.size:
        raise MetricInputError(
            f"Logits of shape {scores.shape} and labels of shape {truth.shape} do not fit; "
            f"give (n, n_cls) and (n,) with n and n_cls at least 1."
        )
    if not np.issubdtype(truth.dtype, np.integer) or truth.min() < 0 or truth.max() >= scores.shape[1]:
        raise MetricInputError(
            f"Labels must be integers in 0..{scores.shape[1] - 1}, but are {truth.dtype} "
            f"from {truth.min()} to {truth.max()}; renumber them for this class list."
        )
    bad = int(np.sum(~np.isfinite(scores)))
    if bad:
        raise MetricInputError(
            f"{bad} of {scores.size} logits are not finite: training diverged. Lower the learning rate or use fp32."
        )
    return scores, truth.astype(np.int64)


def _check_pairs(base: Sequence[float], new: Sequence[float]) -> None:
    if len(base) != len(new) or not len(base):
        raise MetricInputError(
            f"{len(base)} base and {len(new)} new accuracies cannot be paired; give one of each for every dataset."
        )
