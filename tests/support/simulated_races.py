"""Races on simulated outcomes: whether a method is right on an image, with known accuracies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from bench.extensions.recommendation.folds import FOLDS, FoldPlan
from bench.extensions.recommendation.race import Race
from bench.extensions.recommendation.request import RecommendRequest
from datasets_registry import held_out

SHARED, OWN, NOISE = 1.2, 0.5, 0.5
"""Standard deviations of what makes an image hard: for all methods, for one method, for one training."""


class SimulatedRace(Race):
    """The decisions of a race, with simulated outcomes instead of trainings.

    A method is right on an image if its ability + the image's ease + its ease for this method + an effect of the
    training + noise is above zero. Expected accuracies over images and trainings are exact. The budget is used up after
    that number of trainings.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        accuracies: Sequence[float],
        *,
        images: int,
        training: float = 0.05,
        margin: float = 0.5,
        repeats: int = 3,
        trainings: int = 1_000_000,
    ) -> None:
        names = [f"m{i:02d}" for i in range(len(accuracies))]
        self.rng, self.training, self.affordable = rng, training, trainings
        spread = np.sqrt(SHARED**2 + OWN**2 + NOISE**2 + training**2)
        self.ability = dict(zip(names, ndtri(np.asarray(accuracies)) * spread, strict=True))
        ease = rng.normal(size=images) * SHARED
        self.ease = {name: ease + rng.normal(size=images) * OWN for name in names}
        self.divisions = [rng.permutation(np.arange(images) % FOLDS) + 1 for _ in range(repeats)]
        folds = tuple(held_out.Fold(k, FOLDS, r, 48) for r in range(1, repeats + 1) for k in range(1, FOLDS + 1))
        request = RecommendRequest.build("spectrum_basic", margin=margin, seeds=repeats)
        sweep = request.sweep.model_copy(update={"methods": names})
        request = RecommendRequest(sweep, 1e9, margin / 100, tuple(range(1, repeats + 1)))
        keys = tuple(map(str, range(images)))
        super().__init__(request, FoldPlan(folds, 8, keys, None, 12, min(96, images), images), lambda _: None)

    def _first_fold(self, fold: held_out.Fold) -> None:
        self._train(self.left, fold, 0.0)

    def _train(self, methods: Sequence[str], fold: held_out.Fold, limit: float) -> list[str]:
        held = np.flatnonzero(self.divisions[fold.repeat - 1] == fold.index)
        for name in methods:
            if not self.affordable:
                return [name]
            self.affordable -= 1
            effect = self.rng.normal() * self.training
            noise = self.rng.normal(size=len(held)) * NOISE
            right = self.ability[name] + self.ease[name][held] + effect + noise > 0
            self.score(name, fold, [str(i) for i in held], right, 1.0)
        return []
