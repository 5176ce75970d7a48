"""Deterministic splits of a dataset without published lists, by a hash of each image's key."""

from collections import defaultdict
from collections.abc import Callable, Sequence

from datasets_registry._draws.splits import keyed_rank
from datasets_registry._types import Sample

SHARES = (0.5, 0.2)
"""Shares of train and val in each class, as in CoOp's own random splits; the rest is test."""


def split_by_hash(samples: Sequence[Sample], dataset: str) -> tuple[tuple[Sample, ...], ...]:
    """Train, val and test: 50, 20 and 30 % of each class, in list order.

    The images with the lowest hash of (dataset, key) are train. The split depends neither on the file system nor on
    other classes.
    """
    parts: dict[str, int] = {}
    for members in _by_label(samples).values():
        ordered = sorted(members, key=lambda sample: keyed_rank(dataset, "part", sample.key))
        n_train, n_val = (round(share * len(ordered)) for share in SHARES)
        parts |= {s.key: 0 if i < n_train else 1 if i < n_train + n_val else 2 for i, s in enumerate(ordered)}
    return tuple(tuple(sample for sample in samples if parts[sample.key] == part) for part in range(3))


def hold_out_validation(
    samples: Sequence[Sample], dataset: str, groups: int, group_of: Callable[[str], str] = lambda key: key
) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Splits an official training list into train and val, in list order: `groups` groups of each class are val.

    Args:
        groups: number of held-out groups per class.
        group_of: the group of a key; images of one group, such as frames of one video, stay together. Default: every
            image is a group.
    """
    held: set[tuple[int, str]] = set()
    for label, members in _by_label(samples).items():
        names = sorted({group_of(sample.key) for sample in members}, key=lambda name: keyed_rank(dataset, "val", name))
        held |= {(label, name) for name in names[:groups]}
    is_val = [(sample.label, group_of(sample.key)) in held for sample in samples]
    train = tuple(sample for sample, held_out in zip(samples, is_val, strict=True) if not held_out)
    return train, tuple(sample for sample, held_out in zip(samples, is_val, strict=True) if held_out)


def _by_label(samples: Sequence[Sample]) -> dict[int, list[Sample]]:
    groups: defaultdict[int, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.label].append(sample)
    return groups
