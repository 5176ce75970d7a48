"""The unlabelled pool of a run: images that a method may learn from without their labels."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

from datasets_registry._draws.few_shot_draws import keyed_rank
from datasets_registry._errors import DataError, ShotsError
from datasets_registry._types import Images, Sample, UnlabelledImages

PoolKind = Literal["train", "train+new", "transductive"]
"""Which images a pool has, see `PoolRule`."""


@dataclass(frozen=True)
class PoolRule:
    """Which images a pool has, and how many.

    `train`: training images of the training classes, which are the base classes in base-to-new. `train+new`: training
    images of base and new classes, for base-to-new. Images that the run selects or trains on with their labels are not
    in these pools. `transductive`: all test images of the dataset.

    Args:
        size: number of images, drawn by the seed; None for all. Not for `transductive`.

    Example:
        >>> str(PoolRule.parse("train:500")), PoolRule.parse("transductive").size
        ('train:500', None)
    """

    kind: PoolKind
    size: int | None = None

    def __str__(self) -> str:
        return self.kind if self.size is None else f"{self.kind}:{self.size}"

    @classmethod
    def parse(cls, text: str) -> "PoolRule":
        """The rule of a text; raises DataError for an unknown kind or a number that is not a whole number from 1."""
        kind, colon, number = text.partition(":")
        if kind == "test":
            raise DataError(
                f"--unlabelled {text!r} shows the test images to the method, which is transductive. Declare this with "
                f"--unlabelled transductive, or use --unlabelled train."
            )
        if kind not in get_args(PoolKind) or (colon and kind == "transductive"):
            raise DataError(
                f"--unlabelled {text!r} is not understood. Write none, train or train+new (all images), train:N or "
                f"train+new:N (N of them), or transductive (the test images)."
            )
        if colon and not re.fullmatch(r"0*[1-9]\d{0,17}", number, re.ASCII):
            raise DataError(f"--unlabelled {text!r}: {number!r} is not a number of images; give a whole number from 1.")
        return cls(cast(PoolKind, kind), int(number) if colon else None)


def draw_pool(
    rule: PoolRule,
    images: Images,
    candidates: Sequence[Sample],
    test: Sequence[Sample],
    *,
    drawn: Sequence[Sample],
    seed: int,
    dataset: str,
) -> UnlabelledImages:
    """The images of a pool, in an order by a hash of seed and key, which says nothing about their labels.

    Pools of one seed are nested: a smaller one begins a larger one.

    Args:
        candidates: training images of the classes of the rule.
        test: test images of the dataset; they are the pool if it is transductive.
        drawn: images with labels of the run, for training or selection, which are left out.

    Raises:
        DataError: a training image is a test image, too.
        ShotsError: no image is left, or fewer than requested.
    """
    labelled = {sample.key for sample in drawn}
    keys = [sample.key for sample in (test if rule.kind == "transductive" else candidates)]
    keys = [key for key in keys if key not in labelled]
    if rule.kind != "transductive" and (shared := {sample.key for sample in test}.intersection(keys)):
        raise DataError(
            f"The pool --unlabelled {rule} of dataset {dataset!r} has {len(shared)} test images, such as "
            f"{min(shared)!r}: its split lists them as training images, too. Correct the split, or declare a pool of "
            f"test images with --unlabelled transductive."
        )
    if not keys:
        raise ShotsError(
            f"Dataset {dataset!r} has no unlabelled images for --unlabelled {rule}: the run uses all training images "
            f"of these classes with their labels. Use fewer shots."
        )
    if rule.size is not None and rule.size > len(keys):
        raise ShotsError(
            f"--unlabelled {rule} requests {rule.size} images, but dataset {dataset!r} has {len(keys)} unlabelled "
            f"images. Use at most {rule.kind}:{len(keys)}, or {rule.kind} for all."
        )
    ordered = sorted(keys, key=lambda key: keyed_rank("unlabelled", str(seed), key))
    return UnlabelledImages(images, tuple(ordered[: rule.size]))
