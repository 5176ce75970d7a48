"""Boards with known true accuracies: any spread of seeds, tails, classes, groups, and numbers of images and seeds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from bench.analysis.leaderboard import Entry, Leaderboard, Setting
from bench.analysis.measures import BASELINE, HConvention
from bench.analysis.score_array import Outcomes, ScoreArray

MEASURE = "all"
"""The only measure of a simulated board."""


@dataclass(frozen=True)
class SimulatedBoard:
    """Methods on datasets, of which `array` draws the runs. The true accuracies are the expected ones.

    Args:
        accuracies: `(methods, datasets)`, fractions.
        images: test images of each dataset.
        seeds: number of seeds of each method on each dataset.
        seed_spread: standard deviation of the accuracy between seeds, a fraction; `(methods, datasets)` or one number.
            It is cut where an accuracy would leave 0..1.
        heavy_tails: whether the accuracies of seeds follow Student's t with three degrees of freedom.
        class_spread: largest deviation of a class, as a share of the distance to 0 or 1; half of it differs by seed.
        groups: images of one group, such as a patient, which are alike; 1 for independent images.
        likeness: shares of the variance of an image's difficulty that all methods have in common, and that the seeds of
            a method have in common; the rest is of each run.
    """

    accuracies: ArrayLike
    images: Sequence[int]
    seeds: int = 3
    seed_spread: ArrayLike = 0.01
    heavy_tails: bool = False
    class_spread: float = 0.0
    groups: int = 1
    likeness: tuple[float, float] = (0.6, 0.25)

    @property
    def truth(self) -> NDArray[np.float64]:
        """The true accuracies, `(methods, datasets)`."""
        return np.asarray(self.accuracies, dtype=float)

    @property
    def methods(self) -> tuple[str, ...]:
        """The names of the methods."""
        return tuple(f"m{i}" for i in range(len(self.truth)))

    @property
    def datasets(self) -> tuple[str, ...]:
        """The names of the datasets."""
        return tuple(f"d{i}" for i in range(len(self.images)))

    def array(self, generator: np.random.Generator) -> ScoreArray:
        """The runs of one repetition: other seeds and other images. The measure is `MEASURE`."""
        return array_of({name: self.right(place, generator) for place, name in enumerate(self.datasets)}, self)

    def right(self, place: int, generator: np.random.Generator) -> NDArray[np.bool_]:
        """Whether each image of a dataset is classified correctly, `(methods, seeds, images)`."""
        truth, n = self.truth[:, place, None], self.images[place]
        room = np.minimum(truth, 1 - truth)
        shape = (len(truth), self.seeds)
        steps = generator.standard_t(3, shape) / np.sqrt(3) if self.heavy_tails else generator.standard_normal(shape)
        spread = np.broadcast_to(self.seed_spread, self.truth.shape)[:, place, None]
        reach = room * (0.98 - self.class_spread)
        by_seed = truth + np.clip(spread * steps, -reach, reach)
        rates = by_seed[..., None] + self._of_classes(n, shape, generator) * room[..., None]
        return ndtr(self._difficulty(n, shape, generator)) < rates

    def _of_classes(self, n: int, shape: tuple[int, int], generator: np.random.Generator) -> NDArray[np.float64]:
        """The deviations of the images' classes, -1..1 times `class_spread`; ten classes, whose effects add up to 0."""
        if not self.class_spread:
            return np.zeros((1, 1, 1))
        fixed = np.linspace(-1, 1, 10)
        own = generator.permuted(np.broadcast_to(fixed, (*shape, 10)), axis=2)
        return self.class_spread * (fixed + own)[..., generator.integers(10, size=n)] / 2

    def _difficulty(self, n: int, shape: tuple[int, int], generator: np.random.Generator) -> NDArray[np.float64]:
        """Standard normal difficulties, `(methods, seeds, images)`; a group has half of the variance in common."""

        def drawn(*leading: int) -> NDArray[np.float64]:
            alone = generator.standard_normal((*leading, n))
            if self.groups == 1:
                return alone
            shared = generator.standard_normal((*leading, -(-n // self.groups)))
            return (alone + np.repeat(shared, self.groups, axis=-1)[..., :n]) / np.sqrt(2)

        common, of_method = self.likeness
        parts = drawn(1, 1), drawn(shape[0], 1), drawn(*shape)
        weights = np.sqrt([common, of_method, 1 - common - of_method])
        return sum(weight * part for weight, part in zip(weights, parts, strict=True))


def array_of(
    right: Mapping[str, NDArray[np.bool_]], simulated: SimulatedBoard, untrained: Collection[str] = ()
) -> ScoreArray:
    """The array of outcomes by dataset, `(methods, seeds, images)`; the first seed of untrained methods counts."""
    keys, seeds = simulated.methods, tuple(range(1, simulated.seeds + 1))
    shape = len(keys), len(right), len(seeds)
    values, run_ids = np.full(shape, np.nan), np.full(shape, None, dtype=object)
    outcomes: dict[tuple[str, str], Outcomes] = {}
    for column, (dataset, tables) in enumerate(right.items()):
        numbers = np.arange(tables.shape[2], dtype=np.int32) // simulated.groups if simulated.groups > 1 else None
        for (row, key), (place, seed) in product(enumerate(keys), enumerate(seeds)):
            answers = tables[row, 0 if key in untrained else place]
            run_id = f"{key}-{dataset}-{1 if key in untrained else seed}"
            values[row, column, place], run_ids[row, column, place] = answers.mean(), run_id
            outcomes[run_id, MEASURE] = Outcomes(dataset, len(answers), np.packbits(answers), numbers)
    trained = tuple(key not in untrained for key in keys)
    return ScoreArray(
        keys, tuple(right), seeds, {MEASURE: values}, tuple(right), trained, run_ids, read=lambda _: outcomes
    )


def drawn_leaderboard(
    simulated: SimulatedBoard, generator: np.random.Generator, *, failing: float = 0.0
) -> Leaderboard:
    """The leaderboard of one repetition.

    The first method is zero-shot, which runs once and is not trained, so no seed moves it. `failing` is the share of
    trainings that lose 15 to 30 points.
    """
    spread = np.broadcast_to(simulated.seed_spread, simulated.truth.shape).copy()
    spread[0] = 0.0  # otherwise its only run is as far from the truth as one training
    simulated = replace(simulated, seed_spread=spread)
    right = {}
    for place, dataset in enumerate(simulated.datasets):
        tables = simulated.right(place, generator)
        for row, seed in product(range(1, len(tables)), range(simulated.seeds)):
            if generator.random() < failing:
                tables[row, seed] = _failed(tables[row, seed], generator)
        right[dataset] = tables
    named = array_of(right, simulated, simulated.methods[:1])
    keys = (BASELINE, *simulated.methods[1:])
    array = replace(named, keys=keys)
    means = {key: array.mean_over_datasets(key, MEASURE, HConvention.MEAN_OF_H) or 0.0 for key in keys}
    ordered = sorted(keys, key=lambda key: -means[key])
    entries = tuple(entry(key) for key in ordered)
    setting = Setting("B", "few-shot", 16, "coop", "fp32")
    return Leaderboard(setting, HConvention.MEAN_OF_H, (MEASURE,), entries, array.ordered(ordered), BASELINE, (), ())


def _failed(right: NDArray[np.bool_], generator: np.random.Generator) -> NDArray[np.bool_]:
    loss = generator.uniform(0.15, 0.3)
    kept: NDArray[np.bool_] = right & (generator.random(len(right)) >= loss / right.mean())
    return kept


def entry(
    method: str,
    config: Mapping[str, object] = MappingProxyType({}),
    recipe: Mapping[str, object] | None = None,
    recipe_name: str | None = None,
) -> Entry:
    """An entry of a method with one run."""
    return Entry(
        key=method, method=method, label="", config=config, recipe=recipe, recipe_name=recipe_name, n=1, expected=1,
        missing=(), cost=None, run_ids=(), oracle=False, optimism={}, stale="", imported="", uses=None, coverage=1,
        planned=1,
    )  # fmt: skip
