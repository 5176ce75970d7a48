"""Checks whether the columns of stored predictions can come from logits. Pure."""

import numpy as np

from bench.bounds import CONTROL, LONGEST_NAME
from bench.record import TOP, Predictions

LONGEST_KEY = 20 * LONGEST_NAME
"""Longest key of an image, in characters; a key is a path."""
_FLOATS = ("true_logit", "log_sum_exp", "sum_p2", "top_logits")
_INTEGERS = ("label", "predicted", "rank", "top_labels")


def impossible_columns(item: Predictions, n_classes: int) -> list[str]:
    """Why a classifier of `n_classes` classes cannot produce these columns, one sentence per reason; empty if it can.

    Bounds allow for the rounding of float32 columns.
    """
    return _shapes(item, n_classes) or _images(item) or _ranges(item, n_classes) or _logits(item, n_classes)


def _shapes(item: Predictions, n_classes: int) -> list[str]:
    n, width = len(item.images), min(TOP, n_classes)
    for name in (*_INTEGERS, *_FLOATS):
        column, expected = getattr(item, name), (n, width) if name.startswith("top_") else (n,)
        if column.shape != expected:
            return [f"{name} has shape {column.shape}, and {n} images of {n_classes} classes need {expected}"]
        kind = np.floating if name in _FLOATS else np.integer
        if not np.issubdtype(column.dtype, kind):
            return [f"{name} holds {column.dtype}, not {'numbers' if name in _FLOATS else 'whole numbers'}"]
    return [] if n else ["there are no images"]


def _images(item: Predictions) -> list[str]:
    if repeated := len(item.images) - len(set(item.images)):
        return [f"{repeated} images are listed more than once"]
    if any(not key or len(key) > LONGEST_KEY for key in item.images):
        return [f"the key of an image is empty or longer than {LONGEST_KEY} characters"]
    return ["the key of an image contains control characters"] if CONTROL.search("".join(item.images)) else []


def _ranges(item: Predictions, n_classes: int) -> list[str]:
    for name in _FLOATS:
        if not np.isfinite(getattr(item, name)).all():
            return [f"{name} is not finite everywhere"]
    for name in _INTEGERS:
        column = getattr(item, name)
        if column.min() < 0 or column.max() >= n_classes:
            return [f"{'ranks' if name == 'rank' else 'classes'} are not all in 0..{n_classes - 1} ({name})"]
    return []


def _logits(item: Predictions, n_classes: int) -> list[str]:
    top = item.top_logits.astype(np.float64)
    true, log_sum, sum_p2 = (getattr(item, name).astype(np.float64) for name in ("true_logit", "log_sum_exp", "sum_p2"))
    width = top.shape[1]
    slack = 1e-4 + 4e-7 * np.maximum(np.abs(top).max(axis=1), np.abs(log_sum))
    shares = np.exp(np.minimum(top - log_sum[:, None], 1.0))
    known = shares.sum(axis=1)
    most = known + (n_classes - width) * shares[:, -1]
    listed = item.top_labels == item.label[:, None]
    place = np.minimum(item.rank, width - 1)[:, None]
    at_rank = np.take_along_axis(listed, place, axis=1)[:, 0]
    logit_at_rank = np.take_along_axis(top, place, axis=1)[:, 0]
    ordered = np.sort(item.top_labels, axis=1)
    checks = {
        "the top classes of an image are not distinct": (ordered[:, 1:] == ordered[:, :-1]).any(axis=1),
        "the top logits of an image do not fall": (np.diff(top, axis=1) > 0).any(axis=1),
        "the predicted classes are not those with the highest logit": item.predicted != item.top_labels[:, 0],
        "the ranks of the true classes contradict the predicted classes": (item.rank == 0)
        != (item.predicted == item.label),
        "the ranks of the true classes contradict the top classes": np.where(
            item.rank < width, ~at_rank, listed.any(axis=1)
        ),
        "the logits of the true classes contradict the top logits": np.where(
            item.rank < width, true != logit_at_rank, true > top[:, -1]
        ),
        "log-sums are impossible for the top logits": (known > 1 + 2 * slack) | (most < 1 - 2 * slack),
        "sums of squared probabilities are impossible for the top logits": (
            sum_p2 < (shares**2).sum(axis=1) - 2 * slack
        )
        | (sum_p2 > shares[:, 0] + 2 * slack),
    }
    return [f"{text} ({int(wrong.sum())} of {len(wrong)} images)" for text, wrong in checks.items() if wrong.any()]
