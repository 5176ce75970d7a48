"""The labelled images of a race, and their folds in every repetition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
        images: keys of the labelled images in the race.
        groups: the group of each of them, such as its patient; None if the images are independent.
        classes: their number of classes.
        drawn: number of images of one draw of the requested shots; `training_images` is that of all training images.
    """

    folds: tuple[held_out.Fold, ...]
    shots: int
    images: tuple[str, ...]
    groups: NDArray[np.int64] | None
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
    keys = tuple(image.key for image in used)
    return FoldPlan(folds, inside, keys, groups_of(used), len(names), drawn, len(splits.train))


def groups_of(images: Sequence[Sample]) -> NDArray[np.int64] | None:
    """A number for the group of each image, `(images,)`; an image without a group is one. None if none has a group."""
    names = [(image.key,) if image.group is None else image.group for image in images]
    if all(image.group is None for image in images):
        return None
    number = {name: place for place, name in enumerate(dict.fromkeys(names))}
    return np.array([number[name] for name in names], dtype=np.int64)
