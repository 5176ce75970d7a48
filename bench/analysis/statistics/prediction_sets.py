"""Prediction sets with a coverage promise: split conformal prediction with the probability of the class as its score.

The score of a class is `-log p`, with p its softmax probability. Calibration images are images with known classes that
chose nothing about the classifier. With n of them and a promise of `1 - alpha`, the threshold is their score of rank
`ceil((n + 1) (1 - alpha))`, and the set of a new image holds every class whose score is at most the threshold. If the
new image and the calibration images are exchangeable, the set contains the true class with a probability from
`1 - alpha` to `1 - alpha + 1 / (n + 1)`; the upper bound needs scores without ties. The probability is over calibration
images and new images together (marginal), not for each class or image.

- Split conformal prediction: Papadopoulos et al., ECML 2002; Vovk, Gammerman and Shafer, 2005; the upper bound is by
  Lei et al., JASA 2018.
- This score, whose sets are the smallest on average if the probabilities are right: Sadinle, Lei and Wasserman, JASA
  2019 (LAC, also called THR). A set may be empty.
"""

import math
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from datasets_registry import BenchError

PROMISE = 0.95
"""Probability with which a set contains the true class, unless another one is asked for."""


class PromiseError(BenchError, ValueError):
    """A promise that is no probability, or that needs more calibration images."""


def check_promise(promise: float) -> float:
    """The promise; PromiseError unless it lies between 0 and 1, both excluded."""
    if not 0 < promise < 1:
        raise PromiseError(f"The promise {promise:g} of a prediction set is not between 0 and 1; give 0.95 for 95 %.")
    return promise


def conformal_rank(n: int, promise: float) -> int:
    """Rank of the threshold among n scores, from 1: `ceil((n + 1) promise)`. It is n + 1 if n is too small.

    Example:
        >>> conformal_rank(19, 0.95), conformal_rank(18, 0.95), conformal_rank(40, 0.9)
        (19, 19, 37)
    """
    return math.ceil((n + 1) * _exact(promise))


def images_needed(promise: float) -> int:
    """The smallest number of calibration images with which sets are not always all classes: `promise / (1 - promise)`.

    Example:
        >>> images_needed(0.95), images_needed(0.9), images_needed(0.99), images_needed(0.5)
        (19, 9, 99, 1)
    """
    share = _exact(check_promise(promise))
    return math.ceil(share / (1 - share))


def class_scores(logits: ArrayLike, log_sum_exp: ArrayLike) -> NDArray[np.float64]:
    """The scores `-log p` of classes, from float32 logits `(n, k)` or `(n,)` and their `log_sum_exp`, `(n,)`.

    Both are rounded to float32, as they are stored, so stored predictions give the same scores.
    """
    part = np.asarray(logits, dtype=np.float32).astype(np.float64)
    whole = np.asarray(log_sum_exp, dtype=np.float32).astype(np.float64)
    scores: NDArray[np.float64] = whole.reshape(whole.shape + (1,) * (part.ndim - whole.ndim)) - part
    return scores


def conformal_threshold(scores: ArrayLike, promise: float) -> float:
    """The threshold of calibration scores `(n,)`: that of rank `ceil((n + 1) promise)`.

    Raises PromiseError if the promise is not between 0 and 1, or if n is smaller than `images_needed`.

    Example:
        >>> conformal_threshold([0.1, 0.4, 0.2, 0.3], 0.6)  # rank ceil(5 * 0.6) = 3
        0.3
    """
    known = np.sort(np.asarray(scores, dtype=np.float64))
    if problem := too_few(len(known), promise):
        raise PromiseError(f"{problem[0].upper()}{problem[1:]}. Give more images, or a smaller promise.")
    return float(known[conformal_rank(len(known), promise) - 1])


def too_few(n: int, promise: float) -> str:
    """What the promise needs if n calibration images are too few for it, so that each set would be all classes."""
    if (needed := images_needed(promise)) <= n:
        return ""
    return f"a promise of {100 * promise:g} % needs {needed} validation images, and there are {n}"


def in_sets(scores: ArrayLike, threshold: float) -> NDArray[np.bool_]:
    """Which classes are in the sets, `(n, k)`, from the scores of all classes, `(n, k)`.

    Example:
        >>> in_sets([[0.1, 2.4], [0.7, 0.7]], 0.7).tolist()
        [[True, False], [True, True]]
    """
    inside: NDArray[np.bool_] = np.asarray(scores, dtype=np.float64) <= threshold
    return inside


def set_scores(sizes: ArrayLike, ranks: ArrayLike) -> dict[str, float]:
    """Mean size of sets, and share of sets that contain the true class.

    A set of size s holds the s most probable classes, so it contains the true class if its rank, from 0, is below s.

    Example:
        >>> set_scores([1, 2, 0, 3], [0, 1, 0, 4])
        {'set_size': 1.5, 'set_coverage': 0.5}
    """
    size, rank = np.asarray(sizes), np.asarray(ranks)
    return {"set_size": float(size.mean()), "set_coverage": float((rank < size).mean())}


def _exact(promise: float) -> Fraction:
    """The decimal fraction that is meant, so that rounding moves no rank: 0.95 is 19/20."""
    return Fraction(repr(float(promise)))
