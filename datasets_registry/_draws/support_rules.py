"""Support sets other than K clean images of every class: long-tailed, with wrong labels, or all training images."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from datasets_registry._draws.few_shot_draws import keyed_rank, samples_by_label
from datasets_registry._errors import DataError, ShotsError
from datasets_registry._types import Sample

_ROUNDING = 1e-9
"""Keeps `shots / factor` from falling below a whole number, as 49 * (1 / 49) does."""


SupportKind = Literal["all", "imbalanced", "noisy"]
"""How a support set differs from K clean images of every class."""


@dataclass(frozen=True)
class SupportRule:
    """A change of a few-shot draw before a method trains on it.

    `imbalanced:FACTOR`: class k = 0 ... K - 1, in an order drawn by the seed, keeps the first
    `floor(shots * FACTOR ** (-k / (K - 1)))` of its images, so that the largest class has FACTOR times as many as the
    smallest. This is the exponential profile of Cui et al., "Class-Balanced Loss Based on Effective Number of
    Samples", CVPR 2019, with the rounding down of kaidic/LDAM-DRW.

    `noisy:RATE`: RATE of the images get the label of another class, each with the same probability (symmetric noise).
    Every class loses the same share, up to rounding, as in Wu et al., "Why Is Prompt Tuning for Vision-Language Models
    Robust to Noisy Labels?", ICCV 2023.

    `all`: every training image. `amount` is 0.

    Classes are the training classes, which are the base classes in base-to-new. Validation and test images are
    unchanged.

    Example:
        >>> str(SupportRule.parse("imbalanced:10.0")), SupportRule.parse("noisy:0.25").amount
        ('imbalanced:10', 0.25)
    """

    kind: SupportKind
    amount: float = 0.0

    def __str__(self) -> str:
        return self.kind if self.kind == "all" else f"{self.kind}:{self.amount:.12g}"

    @classmethod
    def parse(cls, text: str) -> "SupportRule":
        """The rule of a text; raises DataError for an unknown rule, or an amount out of its range."""
        kind, _, amount = text.partition(":")
        if text == "all":
            return cls("all")
        number = float(amount) if re.fullmatch(r"\d*\.?\d+(e-?\d+)?", amount) else math.nan
        if kind == "imbalanced" and 1 < number < math.inf:
            return cls("imbalanced", number)
        if kind == "noisy" and 0 < number < 1:
            return cls("noisy", number)
        raise DataError(
            f"--support {text!r} is not understood. Write imbalanced:FACTOR with a factor above 1, such as "
            f"imbalanced:10, or noisy:RATE with a rate between 0 and 1, such as noisy:0.2."
        )


def apply_support_rule(
    rule: SupportRule, samples: Sequence[Sample], *, shots: int, seed: int, dataset: str, class_names: Sequence[str]
) -> tuple[Sample, ...]:
    """The support set after the rule, in its order; labels are positions in `class_names`.

    Raises ShotsError if a class is left without an image, if nothing changes, or if there is only one class.
    """
    if rule.kind == "all":
        return tuple(samples)
    if len(class_names) < 2:
        raise ShotsError(f"{rule} needs at least two training classes, but dataset {dataset!r} has {len(class_names)}.")
    if rule.kind == "imbalanced":
        return _imbalanced(samples, rule.amount, shots=shots, seed=seed, dataset=dataset, class_names=class_names)
    return _noisy(samples, rule.amount, seed=seed, dataset=dataset, class_names=class_names)


def is_support_rule(text: str) -> bool:
    """Whether a text is a rule, and not the digest or path of a support list."""
    return text == "all" or text.partition(":")[0] in ("imbalanced", "noisy")


def _imbalanced(
    samples: Sequence[Sample], factor: float, *, shots: int, seed: int, dataset: str, class_names: Sequence[str]
) -> tuple[Sample, ...]:
    # the order of classes does not depend on the factor
    last = len(class_names) - 1
    order = sorted(
        range(len(class_names)), key=lambda label: keyed_rank(dataset, "order", str(seed), class_names[label])
    )
    keep = {label: math.floor(shots * factor ** (-k / last) + _ROUNDING) for k, label in enumerate(order)}
    if empty := sum(not size for size in keep.values()):
        raise ShotsError(
            f"imbalanced:{factor:g} with {shots} shots leaves {empty} of {len(class_names)} classes without an image. "
            f"Use a factor of at most {shots}, or more shots."
        )
    n_taken: Counter[int] = Counter()
    imbalanced = []
    for sample in samples:
        n_taken[sample.label] += 1
        if n_taken[sample.label] <= keep[sample.label]:
            imbalanced.append(sample)
    return tuple(imbalanced)


def _noisy(
    samples: Sequence[Sample], rate: float, *, seed: int, dataset: str, class_names: Sequence[str]
) -> tuple[Sample, ...]:
    by_label = samples_by_label(samples)

    def rank(what: str, text: str) -> bytes:
        return keyed_rank(dataset, what, str(seed), text)

    shares = {label: rate * len(members) for label, members in by_label.items()}
    wrong = {label: math.floor(share + _ROUNDING) for label, share in shares.items()}
    total = math.floor(rate * len(samples) + 0.5)
    rest = total - sum(wrong.values())
    uneven = [label for label in wrong if shares[label] - wrong[label] > _ROUNDING]
    for label in sorted(uneven, key=lambda label: rank("rounding", class_names[label]))[:rest]:
        wrong[label] += 1
    changed = {
        sample.key
        for label, members in by_label.items()
        for sample in sorted(members, key=lambda sample: rank("wrong", sample.key))[: wrong[label]]
    }
    relabelled = tuple(
        replace(s, label=_other_label(s.label, len(class_names), rank("label", s.key))) if s.key in changed else s
        for s in samples
    )
    if not changed:
        raise ShotsError(
            f"noisy:{rate:g} changes no label of {len(samples)} support images. Use more shots or a higher rate."
        )
    labels_left = {sample.label for sample in relabelled}
    if empty := [class_names[label] for label in by_label if label not in labels_left]:
        raise ShotsError(
            f"noisy:{rate:g} with seed {seed} leaves {len(empty)} of {len(class_names)} classes without an image, such "
            f"as {empty[0]!r}. Use more shots, a lower rate or another seed."
        )
    return relabelled


def _other_label(label: int, n_classes: int, rank: bytes) -> int:
    """One of the other labels, all equally likely up to 2**-128."""
    return (label + 1 + int.from_bytes(rank[:20], "big") % (n_classes - 1)) % n_classes
