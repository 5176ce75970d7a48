"""Applies other ensemble weights to a finished run, from its two stored branches, without towers."""

from collections.abc import Sequence
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from bench.record import Branches, Predictions
from bench.results.shards import Shards

EPS = 0.05
"""A class at most this far from a training class counts as trained (APEX's default)."""
FIXED = tuple(i / 10 for i in range(11))
"""Fixed weights of the paper's Table 13."""
SIDES = ("none", "text", "visual", "both")
"""Which features are blended, as in the paper's Table 7."""

_Floats = NDArray[np.float64]


def adaptive_weight(branches: Branches, *, beta: float = 4.0, eps: float = EPS) -> _Floats:
    """`exp(-beta * mean * [nearest > eps])` of each class, `(n_cls,)`."""
    far = branches.nearest_distance > eps
    weight: _Floats = np.exp(-beta * branches.mean_distance.astype(np.float64) * far)
    return weight


def fixed_weight(branches: Branches, weight: float) -> _Floats:
    """The same weight for every class, `(n_cls,)`."""
    return np.full(len(branches.mean_distance), weight)


def blended_logits(branches: Branches, weight: _Floats, *, sides: str = "both") -> _Floats:
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
    logits: _Floats = float(branches.scale[0]) * _unit(image) @ _unit(text).T
    return logits


def blended_accuracy(predictions: Predictions, weight: _Floats, *, sides: str = "both") -> float:
    """Accuracy with that weight; raises ValueError for predictions without branches."""
    if predictions.branches is None:
        raise ValueError(f"Split {predictions.split!r} has no stored branches; run it with --option keep-branches.")
    chosen = blended_logits(predictions.branches, weight, sides=sides).argmax(axis=1)
    return float(np.mean(chosen == predictions.label))


def best_fixed_weight(seeds: Sequence[Predictions]) -> float:
    """The weight of `FIXED` with the highest mean accuracy over some runs with branches; ties go to the smallest."""

    def accuracy(weight: float) -> float:
        runs = [(item, item.branches) for item in seeds]
        return fmean(blended_accuracy(item, fixed_weight(both, weight)) for item, both in runs if both is not None)

    return max(FIXED, key=lambda weight: (accuracy(weight), -weight))


def _unit(features: NDArray[np.floating]) -> _Floats:
    rows: _Floats = np.asarray(features, dtype=np.float64)
    unit: _Floats = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return unit


def constant_weight_outcomes(shards: Shards, run_id: str) -> dict[str, NDArray[np.bool_]]:
    """Whether each test image is classified correctly with the mean weight, `(n,)` by split, ordered by image.

    Only runs with adaptive weights that stored both branches (`run --option keep-branches`) have outcomes.
    """
    shard = shards.read(run_id)
    if shard is None or shard.record.spec.config.get("ensemble_weight", "adaptive") != "adaptive":
        return {}
    config = shard.record.spec.config
    settings = {name: float(config[name]) for name in ("beta", "eps") if name in config}
    found = {}
    for item in shard.predictions:
        if item.branches is None:
            continue
        mean = float(adaptive_weight(item.branches, **settings).mean())
        logits = blended_logits(item.branches, fixed_weight(item.branches, mean))
        order = sorted(range(len(item.images)), key=lambda i, images=item.images: images[i])  # type: ignore[misc]
        found[item.split] = (logits.argmax(axis=1) == item.label)[order]
    return found
