"""Which images become the K shots, and which classes are base and new: pure functions over lists of samples."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass

from datasets_registry._errors import ShotsError
from datasets_registry._types import Sample

MAX_VALIDATION_SHOTS = 4
"""CoOp keeps `min(shots, 4)` validation images of a class."""


@dataclass(frozen=True)
class Draw:
    """The few training images and the few validation images of one draw, labels unchanged."""

    train: tuple[Sample, ...]
    val: tuple[Sample, ...]


def draw_coop(
    train: Sequence[Sample],
    val: Sequence[Sample],
    *,
    shots: int,
    seed: int,
    class_names: Sequence[str],
    allow_short: bool = False,
) -> Draw:
    """CoOp/Dassl's few-shot draw, seed for seed.

    One `random.Random(seed)` draws from train and then, going on, from val. Within a list, labels come in the order of
    their first appearance and images in list order, so the lists must be as they stand in the split file. A class that
    holds fewer images than asked for gives all of them without touching the generator. Draws of one seed at two shots
    are not nested.

    Args:
        train: the full training split, in file order.
        val: the full validation split, in file order.
        shots: images a class; 0 gives an empty draw.
        seed: CoOp's `--seed`. (CoOp ignores 0 and then is unseeded; here 0 is a seed like any other.)
        class_names: names in label order, for the error message.
        allow_short: take all of a class with too few training images, as CoOp does, instead of refusing.

    Returns:
        The drawn samples, grouped by class in drawing order.

    Raises:
        ShotsError: if shots is negative, or a class has fewer training images than shots.

    Example:
        >>> train = [Sample(f"cat{i}", 0) for i in range(3)] + [Sample(f"dog{i}", 1) for i in range(3)]
        >>> [s.key for s in draw_coop(train, [], shots=1, seed=1, class_names=["cat", "dog"]).train]
        ['cat0', 'dog2']
    """
    _check_shots(train, shots=shots, class_names=class_names, allow_short=allow_short)
    rng = random.Random(seed)
    drawn_train = _coop_sample(train, shots, rng)
    drawn_val = _coop_sample(val, min(shots, MAX_VALIDATION_SHOTS), rng)
    return Draw(drawn_train, drawn_val)


def draw_nested(
    train: Sequence[Sample],
    val: Sequence[Sample],
    *,
    dataset: str,
    shots: int,
    seed: int,
    class_names: Sequence[str],
    allow_short: bool = False,
) -> Draw:
    """A draw in which fewer shots are always part of more shots: 1 in 2 in 4 in 8 in 16.

    Every image gets a rank from a hash of (dataset, split, class name, seed, key); the lowest K of a class are drawn.
    So a class's shots depend neither on the other classes nor on the order of the list, and removing an image that was
    not drawn changes nothing.

    Args:
        train: the full training split.
        val: the full validation split; `min(shots, 4)` of a class are drawn, or all where there are fewer.
        dataset: registry id; part of the hash, so that two datasets with equal file names differ.
        shots: images a class; 0 gives an empty draw.
        seed: any integer.
        class_names: names in label order; part of the hash, so that a subset of classes keeps its shots.
        allow_short: take all of a class with too few training images instead of refusing.

    Returns:
        The drawn samples, grouped by ascending label, lowest rank first.

    Raises:
        ShotsError: if shots is negative, or a class has fewer training images than shots.
    """
    _check_shots(train, shots=shots, class_names=class_names, allow_short=allow_short)

    def lowest(split: str, samples: Sequence[Sample], k: int) -> tuple[Sample, ...]:
        drawn: list[Sample] = []
        for label, members in sorted(_by_label(samples).items()):
            stem = (dataset, split, class_names[label], str(seed))
            drawn += sorted(members, key=lambda sample: _rank(*stem, sample.key))[:k]
        return tuple(drawn)

    return Draw(lowest("train", train, shots), lowest("val", val, min(shots, MAX_VALIDATION_SHOTS)))


def class_halves(n_classes: int) -> tuple[range, range]:
    """Labels of the base half and of the new half: the first `ceil(n / 2)`, and the rest.

    Example:
        >>> class_halves(5)
        (range(0, 3), range(3, 5))
    """
    n_base = (n_classes + 1) // 2
    return range(n_base), range(n_base, n_classes)


def select_classes(samples: Sequence[Sample], labels: Sequence[int]) -> tuple[Sample, ...]:
    """The samples of those labels, in their order, renumbered from 0 by the position of their label in `labels`."""
    position = {label: i for i, label in enumerate(labels)}
    return tuple(Sample(s.key, position[s.label]) for s in samples if s.label in position)


def _by_label(samples: Sequence[Sample]) -> dict[int, list[Sample]]:
    """Samples grouped by label; labels in order of first appearance, samples in list order."""
    groups: dict[int, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.label, []).append(sample)
    return groups


def _coop_sample(samples: Sequence[Sample], k: int, rng: random.Random) -> tuple[Sample, ...]:
    drawn: list[Sample] = []
    for members in _by_label(samples).values():
        # `sample` looks only at the length, so drawing positions or objects is the same.
        drawn += rng.sample(members, k) if len(members) >= k else members
    return tuple(drawn)


def _rank(*parts: str) -> bytes:
    """A hash that orders images; the length in front of each part keeps ("ab", "c") apart from ("a", "bc")."""
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(text.encode()).digest()


def _check_shots(train: Sequence[Sample], *, shots: int, class_names: Sequence[str], allow_short: bool) -> None:
    if shots < 0:
        raise ShotsError(f"Shots is {shots}; give 0 (zero-shot) or a positive number of images per class.")
    if allow_short or shots == 0:
        return
    groups = _by_label(train)
    sizes = {label: len(groups.get(label, [])) for label in range(len(class_names))}
    short = [label for label, size in sizes.items() if size < shots]
    if short:
        worst = min(short, key=lambda label: sizes[label])
        raise ShotsError(
            f"{shots} shots were asked for, but class {class_names[worst]!r} has only {sizes[worst]} training images"
            f" ({len(short)} of {len(class_names)} classes have too few). "
            f"Use at most {sizes[worst]} shots, or a split with more training images."
        )
