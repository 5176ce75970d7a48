"""The folds of the labelled images in every repetition, and what the trainings of a race got right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.errors import UsageError
from datasets_registry import DatasetSplits, Sample, ShotsError, held_out

FOLDS = 4
MOST_PER_SHOT = 6
FEWEST_USED = 48
"""Largest number of labelled images per class in a race: six times the shots, at least 48."""


@dataclass(frozen=True)
class FoldPlan:
    """The folds of a race; each method is trained once per fold.

    Args:
        folds: in the order of the race, `FOLDS` for each repetition.
        shots: training images per class and fold; fewer than requested if a class is too small to hold some out.
        images: number of labelled images in the race; `classes` is their number of classes.
        drawn: number of images of one draw of the requested shots; `training_images` is that of all training images.
    """

    folds: tuple[held_out.Fold, ...]
    shots: int
    images: int
    classes: int
    drawn: int
    training_images: int


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
    inside = shots
    if not allow_fewer:
        inside = min(shots, held_out.shots_within_folds(splits, FOLDS, most, dataset=dataset, repeats=repeats))
    folds = tuple(held_out.Fold(index, FOLDS, repeat, most) for repeat in repeats for index in range(1, FOLDS + 1))
    drawn = sum(min(shots, size) for size in sizes)
    return FoldPlan(folds, inside, len(used), len(names), drawn, len(splits.train))


def groups_of(images: Sequence[Sample]) -> NDArray[np.int64] | None:
    """A number for the group of each image, `(images,)`; an image without a group is one. None if none has a group."""
    names = [(image.key,) if image.group is None else image.group for image in images]
    if all(image.group is None for image in images):
        return None
    number = {name: place for place, name in enumerate(dict.fromkeys(names))}
    return np.array([number[name] for name in names], dtype=np.int64)


@dataclass
class Outcomes:
    """What the finished trainings of a race got right, and the seconds they took.

    Args:
        images: keys of the labelled images, the columns of every table.
        repeats: the repetitions, the rows of every table.
        groups: the group of each image, such as its patient; None if the images are independent.
        correct: by method, whether each image is classified correctly, `(repeats, images)`; NaN where it was not
            scored.
        fold_of: the fold in which each image is held out, `(repeats, images)`; 0 where no training has scored it.
        own_seconds: by method, of preparation and training, one value per training.
        seconds: the same with the shared features that the training needs; None where that is unknown.
    """

    images: tuple[str, ...]
    repeats: tuple[int, ...]
    groups: NDArray[np.int64] | None = None
    correct: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    fold_of: NDArray[np.int64] = field(init=False)
    own_seconds: dict[str, list[float]] = field(default_factory=dict)
    seconds: dict[str, list[float | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.fold_of = np.zeros((len(self.repeats), len(self.images)), dtype=np.int64)
        self._column = {key: place for place, key in enumerate(self.images)}

    def score(
        self,
        method: str,
        fold: held_out.Fold,
        images: Sequence[str],
        correct: NDArray[np.bool_],
        own_seconds: float,
        seconds: float | None = None,
    ) -> None:
        """Add one training: whether it classifies each image of the held-out fold correctly, and its seconds."""
        row, columns = self.repeats.index(fold.repeat), [self._column[key] for key in images]
        self.correct.setdefault(method, np.full(self.fold_of.shape, np.nan))[row, columns] = correct
        self.fold_of[row, columns] = fold.index
        self.own_seconds.setdefault(method, []).append(own_seconds)
        self.seconds.setdefault(method, []).append(seconds)

    def cost(self, method: str) -> float:
        """Median of the own seconds of a training."""
        return float(np.median(self.own_seconds[method]))
