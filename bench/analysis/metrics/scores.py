"""Metrics of predictions: pure functions of logits and labels, in NumPy, and temperature scaling."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax

from bench.errors import NonFiniteLossError, UsageError

ECE_BINS = 15
"""Number of bins of the calibration error, as in Guo et al., ICML 2017."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def accuracy(logits: ArrayLike, labels: ArrayLike) -> float:
    """Top-1 accuracy: share of images whose highest logit is that of the true class.

    Example:
        >>> accuracy([[2, 1], [1, 2], [3, 1]], [0, 1, 1])
        0.6666666666666666
    """
    scores, truth = _checked(logits, labels)
    return float(np.mean(scores.argmax(1) == truth))


def macro_accuracy(logits: ArrayLike, labels: ArrayLike) -> float:
    """Mean over classes of the accuracy on their images (macro recall). Classes without an image are left out.

    Example:
        >>> macro_accuracy([[2, 1], [1, 2], [3, 1]], [0, 1, 1])  # 1 of 1 and 1 of 2
        0.75
    """
    hits, total, _ = _class_counts(logits, labels)
    present = total > 0
    return float(np.mean(hits[present] / total[present]))


def macro_precision(logits: ArrayLike, labels: ArrayLike) -> float:
    """Mean over all classes of the share of their predictions that are correct. Classes never predicted count as 0.

    Example:
        >>> macro_precision([[2, 1], [1, 2], [3, 1]], [0, 1, 1])  # 1 of 2 and 1 of 1
        0.75
    """
    hits, _, predicted = _class_counts(logits, labels)
    return float(np.mean(hits / np.maximum(predicted, 1)))


def nll(logits: ArrayLike, labels: ArrayLike) -> float:
    """Mean negative log-likelihood of the true class, in nats.

    Example:
        >>> round(nll(np.log([[0.5, 0.5], [0.2, 0.8]]), [0, 1]), 4)  # -(ln 0.5 + ln 0.8) / 2
        0.4581
    """
    scores, truth = _checked(logits, labels)
    return float(-np.mean(log_softmax(scores, axis=1)[np.arange(len(truth)), truth]))


def brier(logits: ArrayLike, labels: ArrayLike) -> float:
    """Brier score: mean squared distance of the probabilities from the one-hot labels, summed over classes, 0..2.

    Example:
        >>> round(brier(np.log([[0.5, 0.5], [0.2, 0.8]]), [0, 1]), 4)  # (0.5 + 0.08) / 2
        0.29
    """
    scores, truth = _checked(logits, labels)
    distance = np.exp(log_softmax(scores, axis=1))
    distance[np.arange(len(truth)), truth] -= 1
    return float(np.mean(np.sum(distance**2, axis=1)))


def ece(logits: ArrayLike, labels: ArrayLike, *, bins: int = ECE_BINS) -> float:
    """Expected calibration error of the predicted class, with bins of equal mass; see `calibration_error`.

    Example:
        >>> round(ece(np.log([[0.6, 0.4], [0.2, 0.8]]), [1, 1], bins=2), 4)  # gaps 0.6 and 0.2
        0.4
    """
    scores, truth = _checked(logits, labels)
    confidence = np.exp(log_softmax(scores, axis=1).max(1))
    return calibration_error(confidence, scores.argmax(1) == truth, bins=bins)


def calibration_error(confidence: ArrayLike, correct: ArrayLike, *, bins: int = ECE_BINS) -> float:
    """Mean gap between confidence and accuracy over bins of equal size.

    Images are sorted by confidence and cut into `bins` parts whose sizes differ by at most one (fewer parts if there
    are fewer images). Images with equal confidence each count with their mean correctness, so the result does not
    depend on the order of the images.

    `confidence`, `(n,)`, is the probability of the predicted class. There are 15 bins as in Guo et al. 2017, whose bins
    have equal width instead of equal size. Raises UsageError if there is no prediction.

    Example:
        >>> round(calibration_error([0.5, 0.6, 0.7, 0.8], [0, 0, 1, 1], bins=2), 4)  # gaps 0.55 and 0.25
        0.4
    """
    sure, right = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    if not sure.size:
        raise UsageError("No prediction was given, and calibration needs at least one.")
    return float(_calibration_errors(_sorted(sure[None], right[None]), bins)[0])


def run_metrics(columns: Mapping[str, ArrayLike]) -> dict[str, float]:
    """Every metric of one run on one split, and the variance of some that is due to the choice of the images.

    The columns, `(n,)` each, are `label`, `predicted`, `true_logit`, `top_logit` (the highest), `log_sum_exp` and
    `sum_p2` (the sum of squared probabilities). The variances are called `nll_variance` and likewise, of all metrics
    but the accuracies, and NaN for one image. Raises UsageError if there is no prediction.
    """
    rows = {name: np.asarray(column)[None] for name, column in columns.items() if name != "label"}
    metrics = metrics_of_runs(np.asarray(columns["label"]), rows)
    return {name: float(values[0]) for name, values in metrics.items()}


def metrics_of_runs(label: ArrayLike, columns: Mapping[str, ArrayLike]) -> dict[str, Floats]:
    """`run_metrics` of several runs on the same images: the labels are `(n,)`, the other columns `(runs, n)`."""
    truth, predicted = np.asarray(label), np.asarray(columns["predicted"])
    true_logit, top_logit, log_sum_exp, sum_p2 = (
        np.asarray(columns[name], dtype=np.float64) for name in ("true_logit", "top_logit", "log_sum_exp", "sum_p2")
    )
    if not truth.size:
        raise UsageError("No prediction was given, and a metric needs at least one.")
    correct = truth == predicted
    confidence = np.minimum(np.exp(top_logit - log_sum_exp), 1.0)
    _, group, size = np.unique(truth, return_inverse=True, return_counts=True)
    places = group + len(size) * np.arange(len(correct))[:, None]
    hits = np.bincount(places.ravel(), weights=correct.ravel(), minlength=len(correct) * len(size))
    right = hits.astype(np.float64, copy=False).reshape(len(correct), len(size))
    by_class = right / size
    nlls, briers = log_sum_exp - true_logit, np.maximum(1 - 2 * np.exp(true_logit - log_sum_exp) + sum_p2, 0)
    ranked = _sorted(confidence, correct.astype(np.float64))
    metrics = {
        "accuracy": correct.mean(axis=1),
        "macro_accuracy": by_class.mean(axis=1),
        "nll": nlls.mean(axis=1),
        "brier": briers.mean(axis=1),
        "ece": _calibration_errors(ranked, ECE_BINS),
    }
    contributions = {
        "nll": nlls,
        "brier": briers,
        "ece": _gap_contributions(ranked),
    }
    return metrics | {f"{name}_variance": _mean_variances(values) for name, values in contributions.items()}


def _mean_variances(contributions: Floats) -> Floats:
    """The variance of a metric by what each image contributes to it (its influence values, up to a constant)."""
    runs, n = contributions.shape
    return contributions.var(axis=1, ddof=1) / n if n > 1 else np.full(runs, np.nan)


@dataclass(frozen=True)
class _Sorted:
    """Predictions of some runs, `(runs, n)` each, from the lowest confidence of a run to the highest.

    `mean_right` is a mean over the predictions of a run with the same confidence.
    """

    confidence: Floats
    right: Floats
    mean_right: Floats


def _sorted(confidence: Floats, right: Floats) -> _Sorted:
    order = np.argsort(confidence, axis=1, kind="stable")
    sure, ranked = np.take_along_axis(confidence, order, axis=1), np.take_along_axis(right, order, axis=1)
    starts = np.ones(sure.shape, dtype=bool)
    starts[:, 1:] = sure[:, 1:] != sure[:, :-1]
    group = np.cumsum(starts.ravel()) - 1
    size = np.bincount(group)
    means = np.bincount(group, weights=ranked.ravel()) / size
    return _Sorted(sure, ranked, means[group].reshape(sure.shape))


def _calibration_errors(ranked: _Sorted, bins: int) -> Floats:
    gaps = ranked.mean_right - ranked.confidence
    runs, n = gaps.shape
    parts = np.array_split(gaps, min(bins, n), axis=1)
    total: Floats = sum((abs(part.sum(axis=1)) for part in parts), np.zeros(runs))
    return np.asarray(total / n)


def _gap_contributions(ranked: _Sorted) -> Floats:
    """Contributions to the calibration error: the image's gap, with the sign of the gap of its bin."""
    gaps = ranked.right - ranked.confidence
    parts = np.array_split(gaps, min(ECE_BINS, gaps.shape[1]), axis=1)
    return np.concatenate([np.sign(part.sum(axis=1))[:, None] * part for part in parts], axis=1)


def harmonic_mean(base: float, new: float) -> float:
    """H of base and new accuracy, `2 base new / (base + new)`; 0 if both are 0.

    Example:
        >>> round(harmonic_mean(69.34, 74.22), 2)  # zero-shot CLIP in CoCoOp's Table 1
        71.7
    """
    return 0.0 if base + new == 0 else 2 * base * new / (base + new)


def _class_counts(logits: ArrayLike, labels: ArrayLike) -> tuple[Ints, Ints, Ints]:
    """Per class: correct predictions, images, predictions."""
    scores, truth = _checked(logits, labels)
    n_cls, guess = scores.shape[1], scores.argmax(1)
    hits = np.bincount(truth[guess == truth], minlength=n_cls)
    return hits, np.bincount(truth, minlength=n_cls), np.bincount(guess, minlength=n_cls)


def _checked(logits: ArrayLike, labels: ArrayLike) -> tuple[Floats, Ints]:
    scores = np.asarray(logits, dtype=np.float64)
    truth = np.asarray(labels)
    if scores.ndim != 2 or truth.shape != scores.shape[:1] or not scores.size:
        raise UsageError(
            f"Logits of shape {scores.shape} and labels of shape {truth.shape} do not fit; "
            f"give (n, n_cls) and (n,) with n and n_cls at least 1."
        )
    if not np.issubdtype(truth.dtype, np.integer) or truth.min() < 0 or truth.max() >= scores.shape[1]:
        raise UsageError(
            f"Labels must be integers in 0..{scores.shape[1] - 1}, but are {truth.dtype} "
            f"from {truth.min()} to {truth.max()}; renumber them for this class list."
        )
    require_finite(scores)
    return scores, truth.astype(np.int64)


def require_finite(logits: ArrayLike) -> None:
    """Raise NonFiniteLossError for logits that are not finite."""
    scores = np.asarray(logits)
    if bad := int(np.sum(~np.isfinite(scores))):
        raise NonFiniteLossError(
            f"{bad} of {scores.size} logits are not finite: training diverged. Lower the learning rate or use fp32."
        )


WIDEST = 5.0
"""Largest absolute log temperature."""


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> float:
    """The temperature of Guo et al. (ICML 2017): it minimises the negative log-likelihood of `logits / T`.

    A standard normal prior on log T keeps it finite if a few images are all classified correctly. With many images, the
    prior has little influence.

    Example:
        >>> logits = [[4.0, 0.0], [4.0, 0.0], [0.0, 4.0], [0.0, 4.0]]
        >>> fit_temperature(logits, [0, 1, 1, 0]) > 2  # confident, but correct only half of the time
        True
    """
    from scipy.optimize import minimize_scalar  # slow to import, and few commands need it

    scores, truth = np.asarray(logits, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    rows = np.arange(len(truth))

    def objective(log_t: float) -> float:
        log_p = log_softmax(scores / np.exp(log_t), axis=1)
        return float(-log_p[rows, truth].sum() + 0.5 * log_t**2)

    minimum = minimize_scalar(objective, bounds=(-WIDEST, WIDEST), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(minimum.x))
