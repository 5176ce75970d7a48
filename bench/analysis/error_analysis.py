"""Errors in saved predictions by class, confusion and image, and what an entry changes against zero-shot. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Confusion:
    """A confusion: `count` of the `n` images of class `label` were classified as `predicted`, over all runs."""

    label: int
    predicted: int
    count: int
    n: int


@dataclass(frozen=True)
class HardImage:
    """An image, how many of the `runs` misclassify it, and their most frequent prediction (`taken_for`)."""

    image: str
    label: int
    wrong: int
    runs: int
    taken_for: int


@dataclass(frozen=True)
class ClassResult:
    """A true class: its images over all runs, the number classified correctly, and the most frequent wrong class."""

    label: int
    n: int
    right: int
    taken_for: int | None


TopClasses = tuple[tuple[int, float], ...]
"""The most probable classes of an image with their probabilities, best first."""


@dataclass(frozen=True)
class RunErrors:
    """One run on one class list.

    Args:
        right: number of correct images; `right_by_class` is that of each class in `EntryErrors.labels`.
        tops: the top classes of each hard image of the list.
    """

    run_id: str
    right: int
    right_by_class: tuple[int, ...]
    pairs: tuple[Confusion, ...]
    tops: tuple[TopClasses, ...]


@dataclass(frozen=True)
class EntryErrors:
    """One entry on one class list.

    Args:
        labels: the worst classes, worst first.
        sizes: test images of each of them.
        taken_for: most frequent wrong prediction for each of them, None without errors.
        n_classes: number of classes with images.
        pairs: most frequent confusions over all runs.
    """

    labels: tuple[int, ...]
    sizes: tuple[int, ...]
    taken_for: tuple[int | None, ...]
    n_classes: int
    pairs: tuple[Confusion, ...]
    runs: tuple[RunErrors, ...]


PAIRS = 8
"""Confusions listed for an entry over all seeds, and for a class list over all runs."""
RUN_PAIRS = 5
"""Confusions listed for one run."""
CLASSES = 24
"""Classes listed for an entry, worst first."""


def entry_errors(
    runs: Mapping[str, tuple[NDArray[np.int64], NDArray[np.int64]]], tops: Mapping[str, Sequence[TopClasses]]
) -> EntryErrors:
    """The errors of an entry.

    Args:
        runs: labels and predictions, `(n,)` each, by run id; at least one run.
        tops: the top classes of the hard images, by run id.
    """
    label, predicted = (np.concatenate(columns) for columns in zip(*runs.values(), strict=True))
    classes = class_results(label, predicted)
    worst = sorted(classes, key=lambda result: (result.right / result.n, result.label))[:CLASSES]
    labels = tuple(result.label for result in worst)
    errors = []
    for run, (truth, guess) in runs.items():
        right = np.bincount(truth[truth == guess], minlength=int(truth.max()) + 1)
        by_class, pairs = tuple(int(right[value]) for value in labels), confusions(truth, guess, limit=RUN_PAIRS)
        errors.append(RunErrors(run, int(right.sum()), by_class, pairs, tuple(tops[run])))
    return EntryErrors(
        labels=labels,
        sizes=tuple(result.n // len(runs) for result in worst),
        taken_for=tuple(result.taken_for for result in worst),
        n_classes=len(classes),
        pairs=confusions(label, predicted, limit=PAIRS),
        runs=tuple(errors),
    )


def class_results(label: ArrayLike, predicted: ArrayLike) -> tuple[ClassResult, ...]:
    """One result for each class that has an image, in label order. Ties between wrong classes go to the lower label.

    Labels and predictions, `(n,)`, are of one run or of several runs concatenated.

    Example:
        >>> class_results([0, 0, 0], [0, 2, 2])
        (ClassResult(label=0, n=3, right=1, taken_for=2),)
    """
    truth, guess = np.asarray(label), np.asarray(predicted)
    results = []
    for value in np.unique(truth):
        guesses = guess[truth == value]
        wrong = guesses[guesses != value]
        taken_for = int(np.bincount(wrong).argmax()) if wrong.size else None
        results.append(ClassResult(int(value), len(guesses), int((guesses == value).sum()), taken_for))
    return tuple(results)


def confusions(label: ArrayLike, predicted: ArrayLike, *, limit: int) -> tuple[Confusion, ...]:
    """The `limit` most frequent confusions, most images first; ties in class order.

    Example:
        >>> [(c.label, c.predicted, c.count) for c in confusions([0, 0, 0, 1], [1, 1, 0, 0], limit=5)]
        [(0, 1, 2), (1, 0, 1)]
    """
    truth, guess = np.asarray(label, dtype=np.int64), np.asarray(predicted, dtype=np.int64)
    sizes = np.bincount(truth)
    n_cls = int(guess.max(initial=0)) + 1
    wrong = truth != guess
    pairs, counts = np.unique(truth[wrong] * n_cls + guess[wrong], return_counts=True)
    most_frequent = [
        (*divmod(int(pairs[i]), n_cls), int(counts[i])) for i in np.argsort(-counts, kind="stable")[:limit]
    ]
    return tuple(Confusion(true, taken_for, count, int(sizes[true])) for true, taken_for, count in most_frequent)


def hard_images(outcomes: pd.DataFrame, *, limit: int) -> tuple[HardImage, ...]:
    """The `limit` images that the largest share of runs misclassifies. Images that no run misclassifies are left out.

    The outcomes are those of one dataset and split, with each image once per run.
    """
    if not len(outcomes):
        return ()
    codes, images = pd.factorize(outcomes["image"].to_numpy(dtype=object))
    label, predicted = outcomes["label"].to_numpy(), outcomes["predicted"].to_numpy()
    runs = np.bincount(codes)
    wrong = np.bincount(codes, weights=label != predicted).astype(int)
    share = wrong / runs
    first = np.unique(codes, return_index=True)[1]
    order = [int(i) for i in np.lexsort((images, -wrong, -share)) if wrong[i]][:limit]
    hardest = []
    for i in order:
        mistakes = predicted[(codes == i) & (label != predicted)]
        taken_for = int(np.bincount(mistakes).argmax())
        hardest.append(HardImage(str(images[i]), int(label[first[i]]), int(wrong[i]), int(runs[i]), taken_for))
    return tuple(hardest)


def probabilities(top_logits: Sequence[float], log_sum_exp: float) -> tuple[float, ...]:
    """Softmax probabilities of the top classes of an image, from their logits and the log-sum-exp over all classes.

    Example:
        >>> probabilities([0.0, 0.0], np.log(4))  # 1 / 4 each
        (0.25, 0.25)
    """
    values = np.exp(np.asarray(top_logits, dtype=np.float64) - log_sum_exp)
    return tuple(float(value) for value in np.minimum(values, 1.0))


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
    other_codes = codes[~is_zero]
    runs = np.bincount(other_codes, minlength=len(images))
    right = np.bincount(other_codes, weights=(label == predicted)[~is_zero], minlength=len(images)).astype(int)
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
    for run_images, truth, predicted in runs.values():
        at = np.arange(len(images)) if np.array_equal(run_images, images) else places.get_indexer(pd.Index(run_images))
        if len(run_images) != len(images) or (at < 0).any():
            return None
        right, right_before = truth == predicted, was_right[at]
        fixed.append(int((right & ~right_before).sum()))
        broken.append(int((right_before & ~right).sum()))
        after += np.bincount(truth[right], minlength=len(after))
        aligned[at] = predicted
        guesses.append(tuple(map(int, aligned[shown_at])))
    n = np.bincount(label, minlength=len(after))
    hits = np.bincount(label[was_right], minlength=len(after))
    gain = (after / len(runs) - hits) / np.maximum(n, 1)
    order = [int(i) for i in np.argsort(-gain, kind="stable") if n[i]]
    extremes = [i for i in order if gain[i] > 0][:GAINS] + [i for i in order if gain[i] < 0][-GAINS:]
    gains = tuple(ClassGain(i, int(n[i]), int(hits[i]), int(after[i])) for i in extremes)
    return Changes(tuple(fixed), tuple(broken), gains, tuple(guesses))
