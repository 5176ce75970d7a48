"""Applies other ensemble weights to a finished run, from its two stored branches, without towers or training. Pure.

Both blends of APEX are linear in unnormalised features (see `methods/apex.py`), so logits for any weight can be
computed from the four feature tables. They agree with a run with these settings up to float32 rounding.
"""

import numpy as np
from numpy.typing import NDArray

from bench.record import Branches, Predictions

BETAS = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
"""Sharpness values of the paper's Table 12."""
EPS = 0.05
"""A class at most this far from a training class counts as trained (APEX's default)."""
FIXED = tuple(i / 10 for i in range(11))
"""Fixed weights of the paper's Table 13."""
SIDES = ("none", "text", "visual", "both")
"""Which features are blended, as in the paper's Table 7."""

Floats = NDArray[np.float64]


def adaptive_weight(branches: Branches, *, beta: float = 4.0, eps: float = EPS) -> Floats:
    """`exp(-beta * mean * [nearest > eps])` of each class, `(n_cls,)`."""
    far = branches.nearest_distance > eps
    weight: Floats = np.exp(-beta * branches.mean_distance.astype(np.float64) * far)
    return weight


def fixed_weight(branches: Branches, weight: float) -> Floats:
    """The same weight for every class, `(n_cls,)`."""
    return np.full(len(branches.mean_distance), weight)


def blended_logits(branches: Branches, weight: Floats, *, sides: str = "both") -> Floats:
    """Logits `(n, n_cls)` of the blended model.

    Args:
        weight: `(n_cls,)`, 0..1, share of the adapted model per class; the image features use its mean.
        sides: one of `SIDES`; features that are not blended are those of the adapted model.

    Example:
        >>> classes, image, one = np.eye(2), np.array([[1.0, 0.0]]), np.ones(1)
        >>> branches = Branches(classes, classes[::-1], image, image, np.ones(2), np.ones(2), one)
        >>> blended_logits(branches, fixed_weight(branches, 1.0)).tolist()
        [[1.0, 0.0]]
        >>> blended_logits(branches, fixed_weight(branches, 0.0)).tolist()
        [[0.0, 1.0]]
    """
    if sides not in SIDES:
        raise ValueError(f"Side {sides!r} is unknown; choose one of {', '.join(SIDES)}.")
    text_weight = weight[:, None] if sides in ("text", "both") else 1.0
    image_weight = float(weight.mean()) if sides in ("visual", "both") else 1.0
    text = text_weight * branches.adapted_text + (1 - text_weight) * branches.plain_text
    image = image_weight * branches.adapted_image + (1 - image_weight) * branches.plain_image
    logits: Floats = float(branches.scale[0]) * _unit(image) @ _unit(text).T
    return logits


def blended_accuracy(predictions: Predictions, weight: Floats, *, sides: str = "both") -> float:
    """Accuracy with that weight; raises ValueError for predictions without branches."""
    if predictions.branches is None:
        raise ValueError(f"Split {predictions.split!r} has no stored branches; run it with --keep-branches.")
    chosen = blended_logits(predictions.branches, weight, sides=sides).argmax(axis=1)
    return float(np.mean(chosen == predictions.label))


def _unit(features: NDArray[np.floating]) -> Floats:
    rows: Floats = np.asarray(features, dtype=np.float64)
    unit: Floats = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return unit
