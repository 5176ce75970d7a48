"""Trainings that are far worse than the others of their method. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

from bench.analysis.leaderboard import Entry
from bench.analysis.scores_by_seed import Scores, SeedScore

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


def far_trainings(
    entries: Sequence[Entry], scores: Mapping[str, Scores], datasets: Sequence[str], measure: str
) -> tuple[FarTraining, ...]:
    """The trainings that are far below the best training of their method on their dataset, the farthest first.

    Far is more than `FAR` times the usual distance from the best. That is the largest of three: the median distance on
    the other datasets of the method, the median distance of the other methods on the dataset, and the standard error of
    a share of as many test images. Medians are not moved by the failures that are looked for (Hampel, 1974), and the
    factor follows from simulations (as of Davies and Gather, 1993). Where trainings differ by 1 to 3 points of standard
    deviation, at most 1 % of boards without a failure name one; up to 12 % where they differ by 0.2 to 8 points. Of
    trainings that fail by 15 to 30 points, 65 to 96 % are named if others differ by 1 point on 400 images or more.

    `entries` are the complete ones; `scores` are the `seed_scores` of their board. Nothing is said of trainings without
    predictions, or with fewer than `FEWEST_DISTANCES` others.
    """
    below = {(entry.key, name): _below_best(scores[entry.key][name], measure) for entry in entries for name in datasets}
    found = []
    for entry in entries:
        for dataset in datasets:
            score = entry.cells[dataset].scores[measure]
            of_method = [gap for name in datasets if name != dataset for gap in below[entry.key, name].values()]
            of_dataset = [gap for e in entries if e is not entry for gap in below[e.key, dataset].values()]
            usual = [median(gaps) for gaps in (of_method, of_dataset) if len(gaps) >= FEWEST_DISTANCES]
            if not usual or not score.images:
                continue
            limit = FAR * max(*usual, math.sqrt(score.mean * (1 - score.mean) / score.images))
            gaps = below[entry.key, dataset]
            found += [FarTraining(entry.key, dataset, seed, gap) for seed, gap in gaps.items() if gap > limit]
    return tuple(sorted(found, key=lambda training: -training.below))


def _below_best(runs: Mapping[int, SeedScore], measure: str) -> dict[int, float]:
    """How far each training but the best is below the best, by seed; empty for a method that needs no training."""
    trained = {seed: run[measure] for seed, run in runs.items() if run.seeded}
    best = max(trained, key=lambda seed: trained[seed], default=None)
    return {} if best is None else {seed: trained[best] - value for seed, value in trained.items() if seed != best}
