"""Simulated races with known best methods: the error rate, the choice, the interval, and what the budget ends."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtri

from bench.extensions.recommendation.folds import FOLDS, FoldPlan, plan_folds
from bench.extensions.recommendation.race import Race
from bench.extensions.recommendation.request import RecommendRequest
from bench.extensions.recommendation.result import RaceVerdict
from datasets_registry import get_dataset, held_out

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


def test_the_right_method_within_the_margin_in_95_percent_of_races() -> None:
    """One method is 3 points better than the next and 10 better than the others, on 1,000 labelled images."""
    accuracies, rng, races = [*[0.70] * 12, 0.77, 0.80], np.random.default_rng(1), 60
    lost, shares = [], []
    for _ in range(races):
        race = SimulatedRace(rng, accuracies, images=1000)
        found = race.run()
        lost.append(max(accuracies) - accuracies[int(found.pick[1:])])
        assert "m13" in race.left
        shares.append(found.trainings / (14 * 3 * FOLDS))
    assert np.mean(np.array(lost) <= 0.005) >= 0.95
    assert np.mean(shares) <= 0.5


@pytest.mark.parametrize(("images", "training"), [(300, 0.05), (1000, 0.1), (200, 0.2)])
def test_the_best_of_equal_methods_stays_and_its_interval_covers_its_accuracy(images: int, training: float) -> None:
    """The hardest case: every drop is an error, and the best of equal methods looks better than it is."""
    rng, dropped, covered, races = np.random.default_rng(2), 0, 0, 60
    for _ in range(races):
        race = SimulatedRace(rng, [0.8] * 6, images=images, training=training, margin=0.01)
        accuracy = race.run().accuracy
        dropped += "m00" not in race.left
        covered += accuracy.low <= 0.8 <= accuracy.high
    assert dropped <= 0.1 * races  # 6 of 60: P = 0.008 at the promised 5 %
    assert covered >= 0.93 * races


@pytest.mark.parametrize("trainings", [16, 27, 37, 60])
def test_the_answer_contradicts_itself_nowhere_wherever_the_budget_ends(trainings: int) -> None:
    """Six methods are 35 points behind. All are compared on the same images, and one accuracy is printed."""
    for seed in range(3):
        race = SimulatedRace(np.random.default_rng(seed), [0.9, 0.89, *[0.55] * 6], images=64, trainings=trainings)
        answer = race.run()
        assert answer.images == (64 if trainings >= 32 else 16 * (trainings // 8))
        assert ("used up" in str(answer)) == (race.affordable == 0)
        assert len(re.findall(r"\d+\.\d %", str(answer))) == 2, "the accuracy and chance"
        for standing in answer.standings[1:]:
            test, worse = standing.below_leader, standing.method not in ("m00", "m01")
            assert -1 <= test.low <= test.high <= 1
            assert (standing.verdict is RaceVerdict.WORSE) == (test.low > 0)
            assert not (worse and standing.verdict is RaceVerdict.EQUAL)
        assert answer.standings[0].verdict is RaceVerdict.LEADER


def test_the_budget_ends_the_race(tmp_path: Path) -> None:
    """A method that is too dear for four trainings is not tried; the others end with the last whole repetition."""
    methods = ["gda", "zero_shot", "clap"]
    request = RecommendRequest.build("spectrum_basic:test=5", methods=methods, runs=tmp_path, budget="60s")
    plan = plan_folds(get_dataset(request.dataset).reader(None), request.dataset, 8, request.repeats)
    plan = replace(plan, images=tuple(map(str, range(20))))
    now, seconds = [0.0], {"gda": 6.0, "zero_shot": 1.0, "clap": 13.0}

    class Timed(Race):
        def _train(self, methods, fold, limit):
            for name in methods:
                now[0] += min(seconds[name], limit)
                if seconds[name] > limit:
                    return [name]
                images = [str(i) for i in range(20) if i % FOLDS == fold.index - 1]
                self.score(name, fold, images, np.arange(5) < 4 - (name != "gda"), seconds[name], None)
            return []

    said: list[str] = []
    found = Timed(request, plan, said.append, lambda: now[0]).run()
    assert found.untried == {"clap": "4 trainings take 52 s"}
    assert (found.trainings, found.images, found.why) == (8, 20, "the budget is used up")
    now[0] = 0.0
    found = Timed(replace(request, budget=20.0), plan, said.append, lambda: now[0]).run()
    assert set(found.untried.values()) == {"a training takes longer than a quarter of the time that was left"}
    now[0] = 0.0
    assert Timed(replace(request, budget=0.5), plan, said.append, lambda: now[0]).run() is None
    assert said == [], "the answer or the error says it, once"
