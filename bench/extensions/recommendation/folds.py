"""The folds of the labelled images in every repetition, and the outcomes of a race as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.errors import UsageError
from bench.record import RunStatus
from bench.results import Shard
from datasets_registry import DatasetSplits, Sample, ShotsError, held_out

FOLDS = 4
MOST_PER_SHOT = 6
FEWEST_USED = 48
"""Largest number of labelled images per class in a race: six times the shots, at least 48."""


@dataclass(frozen=True)
class FoldPlan:
    """The folds of a race; each method is trained once per fold.

    Args:
        folds: in the order of the race, with `per_repeat` for each repetition.
        shots: training images per class and fold; fewer than requested if a class is too small to hold some out.
        images: number of labelled images in the race; `classes` is their number of classes.
        drawn: number of images of one draw of the wanted shots; `training_images` is the number of all training images.
    """

    folds: tuple[held_out.Fold, ...]
    per_repeat: int
    shots: int
    wanted: int
    images: int
    classes: int
    drawn: int
    training_images: int

    @property
    def repeats(self) -> int:
        """Number of repetitions."""
        return len(self.folds) // self.per_repeat


def plan_folds(
    splits: DatasetSplits, dataset: str, shots: int, repeats: tuple[int, ...], *, allow_fewer: bool = False
) -> FoldPlan:
    """Divide the labelled images; with `allow_fewer`, a small class uses all images that are not held out.

    Raises UsageError, DataError or ShotsError if they cannot be divided.
    """
    names = splits.class_names
    if len(names) < 2:
        raise UsageError(f"Dataset {dataset!r} has {len(names)} class; methods can be compared from two classes on.")
    if not splits.test:
        raise UsageError(
            f"Dataset {dataset!r} has no labelled test images, so a tuned model could not be checked in the end. Give "
            f"it a test part, such as with `etl-bench datasets add {dataset} --split even` and the same --images."
        )
    most = max(FEWEST_USED, MOST_PER_SHOT * shots)
    used = held_out.labelled_images(splits, most, dataset=dataset)
    sizes = [sum(sample.label == label for sample in splits.train) for label in range(len(names))]
    few = [label for label, size in enumerate(sizes) if size < shots]
    if few and not allow_fewer:
        worst = min(few, key=lambda label: sizes[label])
        raise ShotsError(
            f"{shots} shots were requested, but class {names[worst]!r} has only {sizes[worst]} training images "
            f"({len(few)} of {len(names)} classes have too few). Use at most {sizes[worst]} "
            f"shots, or --allow-fewer."
        )
    inside = (
        shots
        if allow_fewer
        else min(shots, held_out.shots_within_folds(splits, FOLDS, most, dataset=dataset, repeats=repeats))
    )
    folds = tuple(held_out.Fold(index, FOLDS, repeat, most) for repeat in repeats for index in range(1, FOLDS + 1))
    drawn = sum(min(shots, size) for size in sizes)
    return FoldPlan(folds, FOLDS, inside, shots, len(used), len(names), drawn, len(splits.train))


def groups_of(images: Sequence[Sample]) -> NDArray[np.int64] | None:
    """A number for the group of each image, `(images,)`; an image without a group is one. None if none has a group."""
    names = [(image.key,) if image.group is None else image.group for image in images]
    if all(image.group is None for image in images):
        return None
    number = {name: place for place, name in enumerate(dict.fromkeys(names))}
    return np.array([number[name] for name in names], dtype=np.int64)


@dataclass
class RaceOutcomes:
    """The outcomes of the finished runs of a race.

    Args:
        images: keys of the labelled images, the columns of every table.
        repeats: the repetitions, the rows of every table.
        groups: the group of each image, such as its patient; None if the images are independent.
    """

    images: tuple[str, ...]
    repeats: tuple[int, ...]
    groups: NDArray[np.int64] | None = None
    failed: dict[str, str] = field(default_factory=dict)
    _correct: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    _seconds: dict[str, list[float]] = field(default_factory=dict)
    _learning: dict[str, list[float | None]] = field(default_factory=dict)
    _folds: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self._column = {key: i for i, key in enumerate(self.images)}
        self._folds = np.zeros((len(self.repeats), len(self.images)), dtype=np.int64)

    def add(self, method: str, fold: held_out.Fold, shard: Shard) -> None:
        """Add a run. The error of a failed run is kept as the reason why its method leaves the race."""
        record = shard.record
        if record.status is RunStatus.FAILED:
            self.failed[method] = " ".join((record.error.message if record.error else "failed").split())
            return
        (predictions,) = shard.predictions
        cost = record.cost
        self.score(
            method,
            fold,
            predictions.images,
            predictions.label == predictions.predicted,
            0.0 if cost is None else cost.prepare_seconds + cost.train_seconds,
            0.0 if cost is None else cost.learning_seconds,
        )

    def score(
        self,
        method: str,
        fold: held_out.Fold,
        images: Sequence[str],
        correct: NDArray[np.bool_],
        seconds: float,
        learning_seconds: float | None = None,
    ) -> None:
        """Add the outcome of a run: whether each held-out image is classified correctly, and the seconds it took.

        `seconds` are the run's own, `learning_seconds` include the shared features; None if these are unknown.
        """
        row, columns = self.repeats.index(fold.repeat), [self._column[key] for key in images]
        table = self._correct.setdefault(method, np.full(self._folds.shape, np.nan))
        table[row, columns] = correct
        self._folds[row, columns] = fold.index
        self._seconds.setdefault(method, []).append(seconds)
        self._learning.setdefault(method, []).append(learning_seconds)

    @property
    def folds(self) -> NDArray[np.int64]:
        """The fold in which each image is held out, `(repeats, images)`; 0 if no run has scored it."""
        return self._folds

    def tables(self, methods: list[str]) -> Mapping[str, NDArray[np.float64]]:
        """Tables `(repeats, images)` of 0 and 1, NaN where an image was not scored."""
        return {name: self._correct[name] for name in methods if name in self._correct}

    def seconds(self, method: str) -> float:
        """Median seconds of preparation and training of a run, for which features are cached; 0 before the first."""
        return float(np.median(self._seconds.get(method, [0.0])))

    def learning_seconds(self, method: str) -> float | None:
        """The same with the shared features that a run needs; None before the first run, or if it is unknown."""
        listed = self._learning.get(method, [])
        known = [one for one in listed if one is not None]
        return float(np.median(known)) if known and len(known) == len(listed) else None

    def images_scored(self, method: str) -> int:
        """Number of images that a finished run of a method has scored."""
        table = self._correct.get(method)
        return 0 if table is None else int((~np.isnan(table)).any(axis=0).sum())

    def trainings(self, method: str) -> int:
        """Number of finished runs of a method."""
        return len(self._seconds.get(method, []))
