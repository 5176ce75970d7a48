"""Metrics of base and new images that are classified among the names of both: pure functions in NumPy.

Base classes come first: of `n_cls` columns of logits, the first `n_base` are those of the base classes. On equal values
a pair of images counts one half, as in the area under a ROC curve.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.analysis.metrics.scores import Floats, MetricInputError


def base_confidence(logits: ArrayLike, n_base: int) -> Floats:
    """Logarithm of the largest softmax probability among the base names alone, `(n,)`, at most 0.

    It is the score of a base image against a new one, the maximum softmax probability of Hendrycks and Gimpel (ICLR
    2017). The logarithm still distinguishes images whose probability rounds to 1.

    Args:
        logits: `(n, n_cls)`.
        n_base: number of base classes, at least 1.

    Example:
        >>> np.exp(base_confidence(np.log([[0.6, 0.2, 0.2], [0.1, 0.1, 0.8]]), n_base=2)).round(6).tolist()
        [0.75, 0.5]
    """
    base = np.asarray(logits, dtype=np.float64)[:, :n_base]
    best = base.argmax(axis=1)[:, None]
    others = np.exp(base - np.take_along_axis(base, best, axis=1))
    np.put_along_axis(others, best, 0.0, axis=1)
    confidence: Floats = -np.log1p(others.sum(axis=1))
    return confidence


def predicted_within(logits: ArrayLike, n_base: int, *, new: bool) -> NDArray[np.int64]:
    """The class with the highest logit among the base names alone, or among the new names alone, `(n,)`.

    Classes are counted among all names, so new classes start at `n_base`.

    Example:
        >>> logits = [[3.0, 1.0, 5.0, 2.0]]
        >>> predicted_within(logits, 2, new=False).tolist(), predicted_within(logits, 2, new=True).tolist()
        ([0], [2])
    """
    scores = np.asarray(logits)
    found: NDArray[np.int64] = scores[:, n_base:].argmax(axis=1) + n_base if new else scores[:, :n_base].argmax(axis=1)
    return found


def near_ood_auroc(base: ArrayLike, new: ArrayLike) -> float:
    """Area under the ROC curve of base against new images: the share of pairs in which the base image scores higher.

    `base` and `new` are the scores of both kinds of images, such as `base_confidence`. New classes of the same dataset
    are near out-of-distribution data. 0.5 is chance. Raises MetricInputError if there are no images of one kind.

    Example:
        >>> near_ood_auroc([0.9, 0.6], [0.5, 0.6])  # of four pairs, three are right and one is a tie
        0.875
    """
    high, low = np.asarray(base, dtype=np.float64), np.asarray(new, dtype=np.float64)
    _require_pairs(high, low)
    return _ordered_pairs(high, low) / (len(high) * len(low))


def openworld_auc(base: ArrayLike, base_correct: ArrayLike, new: ArrayLike, new_correct: ArrayLike) -> float:
    """OpenworldAUC (Hua et al., ICML 2025): the share of pairs of a base and a new image that meet three conditions.

    The base image is classified correctly among base names, the new image among new names, and the base image has the
    higher score. It is at most `near_ood_auroc`, and at most the product of both accuracies.

    Args:
        base: scores of base images, such as `base_confidence`, `(n,)`.
        base_correct: whether each is classified correctly among base names, `(n,)`.
        new: scores of new images, `(m,)`.
        new_correct: whether each is classified correctly among new names, `(m,)`.

    Raises MetricInputError if there are no images of one kind.

    Example:
        >>> openworld_auc([0.9, 0.6], [True, False], [0.5, 0.6], [True, True])  # two of four pairs
        0.5
    """
    high, low = np.asarray(base, dtype=np.float64), np.asarray(new, dtype=np.float64)
    _require_pairs(high, low)
    right_high, right_low = (np.asarray(correct, dtype=bool) for correct in (base_correct, new_correct))
    return _ordered_pairs(high[right_high], low[right_low]) / (len(high) * len(low))


def _ordered_pairs(high: Floats, low: Floats) -> float:
    """Number of pairs in which the value of `high` is above that of `low`; ties count one half."""
    ordered = np.sort(low)
    below, not_above = (np.searchsorted(ordered, high, side=side) for side in ("left", "right"))
    return float((below + not_above).sum() / 2)


def _require_pairs(high: Floats, low: Floats) -> None:
    if not high.size or not low.size:
        raise MetricInputError(
            f"There are {high.size} base and {low.size} new images, and a pair needs one of each; give both."
        )
