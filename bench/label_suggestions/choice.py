"""Greedy choice of images by margin, by coverage, or by both. Pure functions of arrays."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RULES = ("both", "margin", "coverage")


@dataclass(frozen=True)
class Choice:
    """A chosen image: its index, and its distance to the nearest image that was labelled or chosen before it."""

    index: int
    distance: float


def margins(probabilities: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """The largest probability minus the second largest, `(n,)`; small if the model is uncertain.

    Example:
        >>> margins(np.array([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]])).tolist()
        [0.25, 1.0]
    """
    if probabilities.shape[1] < 2:
        return np.ones(len(probabilities))
    ordered = np.sort(probabilities.astype(np.float64), axis=1)
    return ordered[:, -1] - ordered[:, -2]


def choose(
    features: NDArray[np.floating[Any]],
    margin: NDArray[np.floating[Any]],
    labelled: NDArray[np.floating[Any]],
    n: int,
    rule: str = "both",
) -> list[Choice]:
    """Up to n images, in the order in which to label them.

    `margin` takes the smallest margins. `coverage` takes the image farthest from all that are labelled or chosen, again
    and again (k-center). `both` takes the largest product of that distance and `1 - margin`.

    Args:
        features: `(n_images, dim)`, of any length.
        margin: `(n_images,)`, from 0 to 1.
        labelled: features of labelled images, `(n_labelled, dim)`.
    """
    unit, known = _normalised(features), _normalised(labelled)
    # without any labelled image, the first choice is the image farthest from the mean direction
    centres = known if len(known) else unit.mean(axis=0, keepdims=True)
    distance = np.full(len(unit), np.inf)
    for start in range(0, len(centres), 1024):
        distance = np.minimum(distance, (1 - unit @ centres[start : start + 1024].T).min(axis=1))
    distance = distance.clip(min=0)
    unsure = 1 - np.asarray(margin, np.float64)
    left = np.ones(len(unit), bool)
    chosen = []
    for _ in range(min(n, len(unit))):
        value = {"margin": unsure, "coverage": distance}.get(rule, distance * unsure)
        index = int(np.where(left, value, -np.inf).argmax())
        chosen.append(Choice(index, float(distance[index])))
        left[index] = False
        distance = np.minimum(distance, (1 - unit @ unit[index]).clip(min=0))
    return chosen


def _normalised(rows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    rows = np.asarray(rows, np.float64)
    unit: NDArray[np.float64] = rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(min=1e-12)
    return unit
