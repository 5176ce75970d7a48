"""Folds of the labelled images: train on some of a dataset's training images and evaluate on the others."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, replace

from datasets_registry._draws.splits import keyed_rank
from datasets_registry._errors import DataError
from datasets_registry._types import DatasetSplits, Sample

_TEXT = re.compile(r"fold=(\d+)/(\d+),repeat=(\d+),most=(\d+)")


@dataclass(frozen=True)
class Fold:
    """One held-out fold of the training part, of one repetition of cross-fitting.

    Args:
        index: the held-out fold, from 1.
        of: number of folds.
        repeat: the repetition, from 1; each divides the images differently.
        most: largest number of labelled images per class; every repetition uses the same images.

    Example:
        >>> str(Fold(2, 4, 1, 48))
        'fold=2/4,repeat=1,most=48'
        >>> Fold.parse("fold=2/4,repeat=1,most=48") == Fold(2, 4, 1, 48)
        True
    """

    index: int
    of: int
    repeat: int
    most: int

    def __str__(self) -> str:
        return f"fold={self.index}/{self.of},repeat={self.repeat},most={self.most}"

    @classmethod
    def parse(cls, text: str) -> Fold:
        """The fold in the text of a spec; raises DataError for any other text."""
        found = _TEXT.fullmatch(text)
        fold = cls(*map(int, found.groups())) if found else None
        if fold is None or not 1 <= fold.index <= fold.of or fold.of < 2 or fold.repeat < 1 or fold.most < 2:
            raise DataError(f"Fold {text!r} is not understood; write it as fold=1/4,repeat=1,most=48.")
        return fold


def hold_out(splits: DatasetSplits, fold: Fold, *, dataset: str) -> DatasetSplits:
    """The dataset with a fold of its training part as the test part; its own test part is not used.

    The images of a class are ordered by a hash and assigned to the folds in turn. The validation part is unchanged.
    Raises DataError if a class has fewer than two training images.
    """
    chosen = labelled(splits, fold.most, dataset=dataset)
    held: set[str] = set()
    for label, samples in _by_label(chosen).items():
        stem = (dataset, "fold", splits.class_names[label], str(fold.repeat))
        ordered = sorted(samples, key=lambda sample: keyed_rank(*stem, sample.key))
        # the start depends on the label, so that small classes are not all in the first folds
        held |= {s.key for i, s in enumerate(ordered) if (i + label) % fold.of == fold.index - 1}
    train = tuple(sample for sample in chosen if sample.key not in held)
    return replace(splits, train=train, test=tuple(sample for sample in chosen if sample.key in held))


def labelled(splits: DatasetSplits, most: int, *, dataset: str) -> tuple[Sample, ...]:
    """At most `most` training images of every class, in list order; DataError if a class has fewer than two."""
    sizes = Counter(sample.label for sample in splits.train)
    if few := [name for label, name in enumerate(splits.class_names) if sizes[label] < 2]:
        raise DataError(
            f"Dataset {dataset!r} has fewer than two training images of class {few[0]!r} ({len(few)} such), so none "
            f"can be held out. Label more images of it, or leave the class out."
        )
    kept: set[str] = set()
    for label, samples in _by_label(splits.train).items():
        stem = (dataset, "labelled", splits.class_names[label])
        kept |= {s.key for s in sorted(samples, key=lambda sample: keyed_rank(*stem, sample.key))[:most]}
    return tuple(sample for sample in splits.train if sample.key in kept)


def shots_within_folds(splits: DatasetSplits, of: int, most: int) -> int:
    """Number of training images that every class has, whichever fold is held out."""
    sizes = Counter(sample.label for sample in splits.train)
    used = [min(sizes[label], most) for label in range(len(splits.class_names))]
    return min(n - -(-n // of) for n in used)


def _by_label(samples: tuple[Sample, ...]) -> dict[int, list[Sample]]:
    groups: defaultdict[int, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.label].append(sample)
    return groups
