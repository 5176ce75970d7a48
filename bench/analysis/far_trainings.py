"""Trainings that are far worse than the others of their method. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from bench.analysis.score_array import ScoreArray

FAR = 6.0
"""How many times the usual distance below the best training is far; see `far_trainings` for the false alarms."""
FEWEST_DISTANCES = 3
"""Fewest distances of which the median is usual."""


class FarTraining(NamedTuple):
    """A training that is `below` the best one of its method on its dataset, a fraction."""

    entry: str
    dataset: str
    seed: int
    below: float


def far_trainings(array: ScoreArray, keys: Sequence[str], measure: str) -> tuple[FarTraining, ...]:
    """The trainings that are far below the best training of their method on their dataset, the farthest first.

    Far is more than `FAR` times the usual distance from the best. That is the largest of three: the median distance on
    the other datasets of the method, the median distance of the other methods on the dataset, and the standard error of
    a share of as many test images. Medians are not moved by the failures that are looked for (Hampel, 1974), and the
    factor follows from simulations (as of Davies and Gather, 1993). Where trainings differ by 1 to 3 points of standard
    deviation, at most 1 % of boards without a failure name one; up to 12 % where they differ by 0.2 to 8 points. Of
    trainings that fail by 15 to 30 points, 65 to 96 % are named if others differ by 1 point on 400 images or more.

    `keys` are the complete entries. Nothing is said of trainings without predictions, or with fewer than
    `FEWEST_DISTANCES` others.
    """
    below = {(key, name): _below_best(array, key, name, measure) for key in keys for name in array.averaged}
    far = []
    for key in keys:
        for dataset in array.averaged:
            mean, n_images = array.mean(key, dataset, measure), array.n_images(key, dataset, measure)
            of_method = [gap for name in array.averaged if name != dataset for gap in below[key, name].values()]
            of_dataset = [gap for other in keys if other != key for gap in below[other, dataset].values()]
            usual = [median(gaps) for gaps in (of_method, of_dataset) if len(gaps) >= FEWEST_DISTANCES]
            if not usual or not n_images or mean is None:
                continue
            limit = FAR * max(*usual, math.sqrt(mean * (1 - mean) / n_images))
            gaps = below[key, dataset]
            far += [FarTraining(key, dataset, seed, gap) for seed, gap in gaps.items() if gap > limit]
    return tuple(sorted(far, key=lambda training: -training.below))


def _below_best(array: ScoreArray, key: str, dataset: str, measure: str) -> dict[int, float]:
    """How far each training but the best is below the best, by seed; empty for a method that needs no training."""
    trained = array.by_seed(key, dataset, measure) if array.seeded[array.rows[key]] else {}
    best = max(trained, key=lambda seed: trained[seed], default=None)
    return {} if best is None else {seed: trained[best] - value for seed, value in trained.items() if seed != best}
