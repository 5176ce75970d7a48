"""What an entry changes against zero-shot: images that it fixes or breaks, and the gain of each class. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

GAINS = 8
"""Classes with the largest gains, and as many with the largest losses, that are listed for an entry."""


@dataclass(frozen=True)
class MovedImage:
    """An image that zero-shot and the other runs classify differently.

    Args:
        before: the prediction of zero-shot.
        right: how many of the other `runs` classify it correctly.
    """

    image: str
    label: int
    before: int
    right: int
    runs: int


@dataclass(frozen=True)
class ClassGain:
    """A class: its images, how many zero-shot classifies correctly, and how many all runs of an entry do together."""

    label: int
    n: int
    before: int
    after: int


@dataclass(frozen=True)
class Changes:
    """An entry against zero-shot on one class list.

    Args:
        fixed: for each run, the images that zero-shot misclassifies and the run classifies correctly.
        broken: for each run, the reverse.
        gains: classes with the largest gains and the largest losses, from the largest gain down.
        guesses: for each run, its predictions for the moved images of the list.
    """

    fixed: tuple[int, ...]
    broken: tuple[int, ...]
    gains: tuple[ClassGain, ...]
    guesses: tuple[tuple[int, ...], ...]


def moved_images(outcomes: pd.DataFrame, zero_shot: str, *, limit: int) -> tuple[MovedImage, ...]:
    """Images that most runs fix, then images that most runs break, at most `limit` together and one of each class.

    Args:
        outcomes: run_id, image, label and predicted of one dataset and split, with each image once per run.
        zero_shot: its run id. Empty if it is not among the runs.
    """
    is_zero = (outcomes["run_id"] == zero_shot).to_numpy()
    if not is_zero.any() or is_zero.all():
        return ()
    codes, images = pd.factorize(outcomes["image"].to_numpy(dtype=object))
    label, predicted = outcomes["label"].to_numpy(), outcomes["predicted"].to_numpy()
    before, truth = np.full(len(images), -1), np.zeros(len(images), dtype=np.int64)
    before[codes[is_zero]], truth[codes] = predicted[is_zero], label
    others = codes[~is_zero]
    runs = np.bincount(others, minlength=len(images))
    right = np.bincount(others, weights=(label == predicted)[~is_zero], minlength=len(images)).astype(int)
    change = np.where(before >= 0, right / np.maximum(runs, 1) - (before == truth), 0.0)
    change[runs == 0] = 0.0
    order = [int(i) for i in np.lexsort((images, -np.abs(change)))]
    fixed, broken = (_one_per_class([i for i in order if sign * change[i] > 0], truth) for sign in (1, -1))
    few = min(len(broken), limit // 2)
    chosen = fixed[: limit - few] + broken[: max(few, limit - len(fixed))]
    return tuple(MovedImage(str(images[i]), int(truth[i]), int(before[i]), int(right[i]), int(runs[i])) for i in chosen)


def _one_per_class(order: Sequence[int], truth: NDArray[np.int64]) -> list[int]:
    first: dict[int, int] = {}
    for i in order:
        first.setdefault(int(truth[i]), i)
    return list(first.values())


Columns = tuple[NDArray[np.object_], NDArray[np.int64], NDArray[np.int64]]
"""Images, labels and predictions of a run, `(n,)` each."""


def changes(zero_shot: Columns, runs: Mapping[str, Columns], moved: tuple[MovedImage, ...]) -> Changes | None:
    """What the runs of an entry change; None if zero-shot was tested on other images.

    Args:
        zero_shot: of its run.
        runs: those of the entry by id.
        moved: the moved images of the list.
    """
    images, label, before = zero_shot
    places = pd.Index(images)
    was_right = before == label
    fixed, broken, guesses = [], [], []
    aligned, shown_at = np.empty_like(before), places.get_indexer(pd.Index([item.image for item in moved]))
    after = np.zeros(int(label.max()) + 1, dtype=np.int64)
    for own, truth, predicted in runs.values():
        at = np.arange(len(images)) if np.array_equal(own, images) else places.get_indexer(pd.Index(own))
        if len(own) != len(images) or (at < 0).any():
            return None
        right, known = truth == predicted, was_right[at]
        fixed.append(int((right & ~known).sum()))
        broken.append(int((known & ~right).sum()))
        after += np.bincount(truth[right], minlength=len(after))
        aligned[at] = predicted
        guesses.append(tuple(map(int, aligned[shown_at])))
    n = np.bincount(label, minlength=len(after))
    hits = np.bincount(label[was_right], minlength=len(after))
    gain = (after / len(runs) - hits) / np.maximum(n, 1)
    order = [int(i) for i in np.argsort(-gain, kind="stable") if n[i]]
    shown = [i for i in order if gain[i] > 0][:GAINS] + [i for i in order if gain[i] < 0][-GAINS:]
    found = tuple(ClassGain(i, int(n[i]), int(hits[i]), int(after[i])) for i in shown)
    return Changes(tuple(fixed), tuple(broken), found, tuple(guesses))
