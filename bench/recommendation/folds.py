"""Divides the labelled images into the folds of every repetition, and finds how many shots fit into them."""

from __future__ import annotations

from dataclasses import dataclass

from bench.errors import UsageError
from datasets_registry import DatasetSplits, Fold, ShotsError, labelled_images, shots_within_folds

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
    """

    folds: tuple[Fold, ...]
    per_repeat: int
    shots: int
    wanted: int
    images: int
    classes: int

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
            f"it a test part, such as with `etl-bench datasets add {dataset} --split even --replace`."
        )
    most = max(FEWEST_USED, MOST_PER_SHOT * shots)
    used = labelled_images(splits, most, dataset=dataset)
    sizes = [sum(sample.label == label for sample in splits.train) for label in range(len(names))]
    few = [label for label, size in enumerate(sizes) if size < shots]
    if few and not allow_fewer:
        worst = min(few, key=lambda label: sizes[label])
        raise ShotsError(
            f"{shots} shots were requested, but class {names[worst]!r} has only {sizes[worst]} training images "
            f"({len(few)} of {len(names)} classes have too few). Use at most {sizes[worst]} "
            f"shots, or --allow-fewer."
        )
    inside = shots if allow_fewer else min(shots, shots_within_folds(splits, FOLDS, most))
    folds = tuple(Fold(index, FOLDS, repeat, most) for repeat in repeats for index in range(1, FOLDS + 1))
    return FoldPlan(folds, FOLDS, inside, shots, len(used), len(names))
