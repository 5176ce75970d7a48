"""Images that are held out: the parts of a dataset without published lists, folds, and one image of each class.

All choices are by a hash of the images' keys or by their order, so they are the same on every machine.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from datasets_registry._draws.few_shot_draws import keyed_rank, samples_by_label
from datasets_registry._errors import DataError, ShotsError, some
from datasets_registry._types import DatasetSplits, Sample

SHARES = (0.5, 0.2)
"""Shares of train and val in each class, as in CoOp's own random splits; the rest is test."""
_TEXT = re.compile(r"fold=(\d+)/(\d+),repeat=(\d+),most=(\d+)")


def split_by_hash(samples: Sequence[Sample], dataset: str) -> tuple[tuple[Sample, ...], ...]:
    """Train, val and test: 50, 20 and 30 % of each class, in list order; of its groups, if images have groups.

    The images with the lowest hash of (dataset, key) are train. The split depends neither on the file system nor on
    other classes.
    """
    parts: dict[str, int] = {}
    for members in samples_by_label(samples).values():
        units = {s.group or s.key for s in members}
        n_train, n_val = (round(share * len(units)) for share in SHARES)
        ordered = sorted(units, key=lambda unit: keyed_rank(dataset, "part", unit))
        place = {unit: 0 if i < n_train else 1 if i < n_train + n_val else 2 for i, unit in enumerate(ordered)}
        parts |= {s.key: place[s.group or s.key] for s in members}
    return tuple(tuple(sample for sample in samples if parts[sample.key] == part) for part in range(3))


def hold_out_groups(
    samples: Sequence[Sample], dataset: str, groups: int
) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Splits an official training list into train and val, in list order: `groups` whole groups are val.

    Unlike `hold_out_validation`, a group with images of several classes is in one part.
    """
    val_groups = set(
        sorted({str(s.group) for s in samples}, key=lambda name: keyed_rank(dataset, "val", name))[:groups]
    )
    train = tuple(s for s in samples if s.group not in val_groups)
    return train, tuple(s for s in samples if s.group in val_groups)


def hold_out_validation(
    samples: Sequence[Sample], dataset: str, groups: int
) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Splits an official training list into train and val, in list order: `groups` groups of each class are val.

    Images of one group, such as frames of one video, stay together. An image without a group is a group of its own.
    """
    val_groups: set[tuple[int, str]] = set()
    for label, members in samples_by_label(samples).items():
        names = sorted({s.group or s.key for s in members}, key=lambda name: keyed_rank(dataset, "val", name))
        val_groups |= {(label, name) for name in names[:groups]}
    is_val = [(sample.label, sample.group or sample.key) in val_groups for sample in samples]
    train = tuple(sample for sample, held_out in zip(samples, is_val, strict=True) if not held_out)
    return train, tuple(sample for sample, held_out in zip(samples, is_val, strict=True) if held_out)


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
        match = _TEXT.fullmatch(text)
        fold = cls(*map(int, match.groups())) if match else None
        if fold is None or not 1 <= fold.index <= fold.of or fold.of < 2 or fold.repeat < 1 or fold.most < 2:
            raise DataError(f"Fold {text!r} is not understood; write it as fold=1/4,repeat=1,most=48.")
        return fold


def hold_out_fold(splits: DatasetSplits, fold: Fold, *, dataset: str) -> DatasetSplits:
    """The dataset with a fold of its training part as the test part; its own test part is not used.

    The images of a class are ordered by a hash and assigned to the folds in turn; groups are assigned whole. The
    validation part is unchanged. Raises DataError if a class has fewer than two training images.
    """
    chosen = labelled_images(splits, fold.most, dataset=dataset)
    fold_of = _folds(chosen, fold.of, fold.repeat, dataset, splits.class_names)
    train = tuple(sample for sample in chosen if fold_of[sample.key] != fold.index - 1)
    return replace(splits, train=train, test=tuple(s for s in chosen if fold_of[s.key] == fold.index - 1))


def _folds(samples: Sequence[Sample], of: int, repeat: int, dataset: str, class_names: Sequence[str]) -> dict[str, int]:
    """The fold of each image, from 0, by its key.

    Images of a group are in one fold, except those of a class that would be in one fold alone, and of a dataset with
    fewer groups than folds.
    """
    singly: dict[str, int] = {}
    for label, members in samples_by_label(samples).items():
        stem = (dataset, "fold", class_names[label], str(repeat))
        ordered = sorted(members, key=lambda sample: keyed_rank(*stem, sample.key))
        # the start depends on the label, so that small classes are not all in the first folds
        singly |= {sample.key: (i + label) % of for i, sample in enumerate(ordered)}
    if not any(sample.group for sample in samples):
        return singly
    whole = _folds_of_groups(samples, of, lambda unit: keyed_rank(dataset, "fold of groups", str(repeat), unit))
    if len(set(whole.values())) < of:
        return singly
    spread = {
        label: len({whole[sample.key] for sample in members}) for label, members in samples_by_label(samples).items()
    }
    return {s.key: (whole if spread[s.label] > 1 else singly)[s.key] for s in samples}


def _folds_of_groups(samples: Sequence[Sample], of: int, rank: Callable[[str], bytes]) -> dict[str, int]:
    """A fold for each group, and for each image without one: the fold that has the smallest share of its classes.

    Large groups come first; sizes within a factor of two are in the order of `rank`.
    """
    units: dict[str, list[Sample]] = {}
    for sample in samples:
        units.setdefault(f"group {sample.group}" if sample.group else f"image {sample.key}", []).append(sample)
    sizes = Counter(sample.label for sample in samples)
    have = [Counter[int]() for _ in range(of)]
    folds: dict[str, int] = {}
    for _, members in sorted(units.items(), key=lambda unit: (-len(unit[1]).bit_length(), rank(unit[0]))):
        labels = Counter(sample.label for sample in members)
        shares = [sum(n * had[label] / sizes[label] for label, n in labels.items()) for had in have]
        best = min(range(of), key=lambda i: (shares[i], have[i].total(), i))
        have[best].update(labels)
        folds |= dict.fromkeys((sample.key for sample in members), best)
    return folds


def labelled_images(splits: DatasetSplits, most: int, *, dataset: str) -> tuple[Sample, ...]:
    """At most `most` training images of every class, in list order; DataError if a class has fewer than two."""
    sizes = Counter(sample.label for sample in splits.train)
    if few := [name for label, name in enumerate(splits.class_names) if sizes[label] < 2]:
        raise DataError(
            f"Dataset {dataset!r} has fewer than two training images of class {few[0]!r} ({len(few)} such), so none "
            f"can be held out. Label more images of it, or leave the class out."
        )
    keys: set[str] = set()
    for label, samples in samples_by_label(splits.train).items():
        stem = (dataset, "labelled", splits.class_names[label])
        keys |= {s.key for s in sorted(samples, key=lambda sample: keyed_rank(*stem, sample.key))[:most]}
    return tuple(sample for sample in splits.train if sample.key in keys)


def shots_within_folds(splits: DatasetSplits, of: int, most: int, *, dataset: str, repeats: Sequence[int]) -> int:
    """Number of training images that every class has, whichever fold of these repetitions is held out."""
    chosen = labelled_images(splits, most, dataset=dataset)
    sizes = Counter(sample.label for sample in chosen)
    held = [
        Counter((fold_of[sample.key], sample.label) for sample in chosen)
        for fold_of in (_folds(chosen, of, repeat, dataset, splits.class_names) for repeat in repeats)
    ]
    return min(sizes[label] - n for counts in held for (_, label), n in counts.items())


def hold_one_image_out(
    samples: Sequence[Sample], class_names: Sequence[str]
) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """The training images, and the held-out last image of each class, in the order of the support set.

    Labels are positions in `class_names`. Raises ShotsError if a class has a single image.

    Example:
        >>> samples = [Sample("a", 0), Sample("b", 0), Sample("c", 1), Sample("d", 1)]
        >>> kept, held = hold_one_image_out(samples, ["cat", "dog"])
        >>> [sample.key for sample in kept], [sample.key for sample in held]
        (['a', 'c'], ['b', 'd'])
    """
    last = {sample.label: place for place, sample in enumerate(samples)}
    single = [label for label in last if sum(sample.label == label for sample in samples) < 2]
    if single:
        names = some([class_names[label] for label in single], most=5)
        raise ShotsError(
            f"--selection hoso holds one image of each class out of the support set, and {len(single)} of "
            f"{len(class_names)} classes have a single image: {names}. Use 2 shots or more, or another --selection."
        )
    held = set(last.values())
    train = tuple(sample for place, sample in enumerate(samples) if place not in held)
    return train, tuple(samples[place] for place in sorted(held))
