"""Boards with known true accuracies: any spread of seeds, tails, classes, groups, and numbers of images and seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from bench.analysis.leaderboard import BASELINE, Cell, Entry, HConvention, Leaderboard, Setting
from bench.analysis.scores_by_seed import Scores, SeedScore
from bench.analysis.statistics.intervals import Estimate

MEASURE = "all"
"""The only measure of a simulated board."""


@dataclass(frozen=True)
class SimulatedBoard:
    """Methods on datasets, of which `scores` draws the runs. The true accuracies are the expected ones.

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

    @property
    def board(self) -> SimpleNamespace:
        """What `board_averages` and `board_average` read of a board."""
        return SimpleNamespace(averaged=self.datasets)

    def scores(self, generator: np.random.Generator) -> dict[str, Scores]:
        """The runs of one repetition: other seeds and other images. The measure is `MEASURE`."""
        found: dict[str, dict[str, dict[int, SeedScore]]] = {name: {} for name in self.methods}
        for place, dataset in enumerate(self.datasets):
            right = self.right(place, generator)
            numbers = np.arange(self.images[place], dtype=np.int32) // self.groups
            groups = {MEASURE: numbers} if self.groups > 1 else {}
            for name, of_method in zip(self.methods, right, strict=True):
                found[name][dataset] = {
                    seed: _run(f"{name}-{dataset}-{seed}", dataset, run, groups)
                    for seed, run in enumerate(of_method, start=1)
                }
        return dict(found)

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


def _run(run_id: str, dataset: str, right: NDArray[np.bool_], groups: Mapping[str, NDArray[np.int32]]) -> SeedScore:
    return SeedScore(run_id, {MEASURE: float(right.mean())}, True, {MEASURE: (dataset, right)}, groups)


def drawn_leaderboard(
    simulated: SimulatedBoard, generator: np.random.Generator, *, failing: float = 0.0
) -> tuple[Leaderboard, dict[str, Scores]]:
    """The leaderboard and the scores of one repetition.

    The first method is zero-shot, which runs once and is not trained. `failing` is the share of trainings that lose 15
    to 30 points.
    """
    scores: dict[str, Scores] = {}
    for name, of_method in simulated.scores(generator).items():
        key = name if scores else BASELINE
        scores[key] = {
            dataset: {
                seed: (run if generator.random() >= failing else _failed(run, generator)) if key == name
                else replace(runs[1], seeded=False)
                for seed, run in runs.items()
            }
            for dataset, runs in of_method.items()
        }  # fmt: skip
    entries = sorted(
        (_entry(key, of_entry) for key, of_entry in scores.items()), key=lambda e: -e.averages[MEASURE].mean
    )
    setting, seeds = Setting("B", "few-shot", 16, "coop", "fp32"), tuple(range(1, simulated.seeds + 1))
    parts = setting, HConvention.MEAN_OF_H, (MEASURE,), simulated.datasets, seeds, tuple(entries), BASELINE, (), ()
    return Leaderboard(*parts), scores


def _failed(run: SeedScore, generator: np.random.Generator) -> SeedScore:
    (dataset, right), loss = (run.correct or {})[MEASURE], generator.uniform(0.15, 0.3)
    kept = right & (generator.random(len(right)) >= loss / right.mean())
    return replace(run, values={MEASURE: float(kept.mean())}, correct={MEASURE: (dataset, kept)})


def _entry(key: str, scores: Scores) -> Entry:
    cells = {}
    for dataset, runs in scores.items():
        mean, images = float(np.mean([run[MEASURE] for run in runs.values()])), len((runs[1].correct or {})[MEASURE][1])
        cells[dataset] = Cell(dataset, {MEASURE: Estimate(mean, len(runs), images=images)}, 1, 1, ())
    average = Estimate(float(np.mean([cell.scores[MEASURE].mean for cell in cells.values()])), 1)
    return Entry(
        key=key, method=key, label="", config={}, recipe=None, recipe_name=None, cells=cells,
        averages={MEASURE: average}, n=1, expected=1, missing=(), cost=None, run_ids=(), oracle=False, optimism={},
        stale="", imported="", uses=None, coverage=1, planned=1,
    )  # fmt: skip
