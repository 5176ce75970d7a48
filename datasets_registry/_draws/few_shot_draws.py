"""Few-shot draws and the base/new split of classes, as pure functions of lists of samples."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from datasets_registry._errors import ShotsError
from datasets_registry._types import ClassSet, EvalSplit, Sample

if TYPE_CHECKING:
    from datasets_registry._draws.held_out import Fold

MAX_VALIDATION_SHOTS = 4
"""CoOp keeps `min(shots, 4)` validation images per class."""


@dataclass(frozen=True)
class SharedParts:
    """What tasks share that differ only in shots, seed, support, fold, rule and pool: `build_task` computes it once.

    Args:
        evaluations: the evaluation splits by fold, and their contents as canonical JSON.
        digests: those of training images by key.
    """

    evaluations: dict[Fold | None, tuple[tuple[EvalSplit, ...], str]] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FewShotDraw:
    """The few training images and the few validation images of one draw, with their original labels."""

    train: tuple[Sample, ...]
    val: tuple[Sample, ...]


def draw_coop(
    train: Sequence[Sample],
    val: Sequence[Sample],
    *,
    shots: int,
    seed: int,
    class_names: Sequence[str],
    allow_fewer: bool = False,
) -> FewShotDraw:
    """CoOp/Dassl's few-shot draw with the same seeds.

    One `random.Random(seed)` draws from train and then from val. Labels are visited in the order of their first
    appearance and images in list order, so the lists must have the order of the split file. If a validation class has
    too few images, all are taken without using the generator. Draws of one seed with different shots are not nested.

    Args:
        train: the full training list, in file order.
        val: the full validation list, in file order; `min(shots, 4)` images per class are drawn.
        shots: images per class; 0 gives an empty draw.
        seed: CoOp's `--seed`. (CoOp treats 0 as unseeded; here 0 is an ordinary seed.)
        class_names: names in label order, for the error message.
        allow_fewer: take all images of a training class with too few, as CoOp does, also without using the generator.

    Returns the drawn samples, grouped by class in drawing order. Raises ShotsError if shots is negative, or if a class
    has fewer training images than shots, or none with `allow_fewer`.

    Example:
        >>> train = [Sample(f"cat{i}", 0) for i in range(3)] + [Sample(f"dog{i}", 1) for i in range(3)]
        >>> [s.key for s in draw_coop(train, [], shots=1, seed=1, class_names=["cat", "dog"]).train]
        ['cat0', 'dog2']
    """
    _check_shots(train, shots=shots, class_names=class_names, allow_fewer=allow_fewer)
    rng = random.Random(seed)
    return FewShotDraw(_coop_sample(train, shots, rng), _coop_sample(val, min(shots, MAX_VALIDATION_SHOTS), rng))


def draw_nested(
    train: Sequence[Sample],
    val: Sequence[Sample],
    *,
    dataset: str,
    shots: int,
    seed: int,
    class_names: Sequence[str],
    allow_fewer: bool = False,
) -> FewShotDraw:
    """A nested draw: fewer shots are always a subset of more shots.

    A hash of (dataset, split, class name, seed, key) ranks the images; the K lowest of each class are drawn. The shots
    of a class therefore depend neither on the other classes nor on the list order, and removing an image that was not
    drawn changes nothing.

    Args:
        val: the full validation list; `min(shots, 4)` images per class are drawn, or all if there are fewer.
        dataset: registry name; part of the hash, so two datasets with equal file names differ.
        class_names: names in label order; part of the hash, so a subset of classes keeps its shots.
        allow_fewer: take all training images of a class with too few.

    Returns the drawn samples, grouped by ascending label, lowest rank first. Raises ShotsError like `draw_coop`.
    """
    _check_shots(train, shots=shots, class_names=class_names, allow_fewer=allow_fewer)

    def lowest(split: str, samples: Sequence[Sample], k: int) -> tuple[Sample, ...]:
        drawn: list[Sample] = []
        for label, members in sorted(samples_by_label(samples).items()):
            stem = (dataset, split, class_names[label], str(seed))
            drawn += sorted(members, key=lambda sample: keyed_rank(*stem, sample.key))[:k]
        return tuple(drawn)

    return FewShotDraw(lowest("train", train, shots), lowest("val", val, min(shots, MAX_VALIDATION_SHOTS)))


def class_halves(n_classes: int) -> tuple[range, range]:
    """Labels of the base classes, the first `ceil(n_classes / 2)`, and of the new classes, the rest.

    Example:
        >>> class_halves(5)
        (range(0, 3), range(3, 5))
    """
    n_base = (n_classes + 1) // 2
    return range(n_base), range(n_base, n_classes)


def select_classes(samples: Sequence[Sample], labels: Sequence[int]) -> tuple[Sample, ...]:
    """The samples of these labels in list order, renumbered by the position of their label in `labels`."""
    position = {label: i for i, label in enumerate(labels)}
    return tuple(Sample(s.key, position[s.label], s.group) for s in samples if s.label in position)


def samples_by_label(samples: Sequence[Sample]) -> dict[int, list[Sample]]:
    """Samples grouped by label; labels in order of first appearance, samples in list order."""
    groups: dict[int, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.label, []).append(sample)
    return groups


def _coop_sample(samples: Sequence[Sample], k: int, rng: random.Random) -> tuple[Sample, ...]:
    drawn: list[Sample] = []
    for members in samples_by_label(samples).values():
        # `sample` uses only the length, so drawing objects equals drawing positions
        drawn += rng.sample(members, k) if len(members) >= k else members
    return tuple(drawn)


def keyed_rank(*parts: str) -> bytes:
    """A hash to order images by; length prefixes distinguish ("ab", "c") from ("a", "bc")."""
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(text.encode()).digest()


def short_classes(train: Sequence[Sample], *, shots: int, n_classes: int) -> dict[int, int]:
    """The number of training images of each label that has fewer than `shots`, in label order."""
    sizes = Counter(sample.label for sample in train)
    return {label: sizes[label] for label in range(n_classes) if sizes[label] < shots}


def _check_shots(train: Sequence[Sample], *, shots: int, class_names: Sequence[str], allow_fewer: bool) -> None:
    if shots < 0:
        raise ShotsError(f"Shots is {shots}; give 0 (zero-shot) or a positive number of images per class.")
    short = short_classes(train, shots=shots, n_classes=len(class_names))
    if not short:
        return
    worst = min(short, key=lambda label: short[label])
    name, size = class_names[worst], short[worst]
    if allow_fewer and size == 0:
        raise ShotsError(f"Class {name!r} has no training image. Give it some, or leave the class out.")
    if not allow_fewer:
        fewer = ", --allow-fewer to take what each class has," if size else ""
        raise ShotsError(
            f"{shots} shots were requested, but class {name!r} has only {size} training images"
            f" ({len(short)} of {len(class_names)} classes have too few). "
            f"Use at most {size} shots{fewer} or a split with more training images."
        )


def among_all_names(base: EvalSplit, new: EvalSplit) -> tuple[EvalSplit, EvalSplit]:
    """The same images of both splits with the classes of both, base classes first; labels are positions among all.

    Example:
        >>> from datasets_registry import DrawRule, EvalProtocol, TaskRequest, build_task, get_dataset
        >>> info = get_dataset("spectrum_basic")
        >>> protocol, draw = EvalProtocol.BASE_TO_NEW, "coop"
        >>> request = TaskRequest(info, info.reader(None), protocol, shots=2, seed=1, draw=draw)
        >>> task = build_task(request)
        >>> base, new = among_all_names(task.eval("base"), task.eval("new"))
        >>> len(base.classes), max(sample.label for sample in base.samples), min(sample.label for sample in new.samples)
        (24, 11, 12)
    """
    base_classes, new_classes = base.classes, new.classes
    sentences = (
        None
        if base_classes.sentences is None or new_classes.sentences is None
        else (*base_classes.sentences, *new_classes.sentences)
    )
    classes = ClassSet(
        (*base_classes.names, *new_classes.names), base_classes.template, sentences, base_classes.dataset
    )
    moved = tuple(replace(sample, label=sample.label + len(base_classes)) for sample in new.samples)
    return replace(base, classes=classes), replace(new, samples=moved, classes=classes)
