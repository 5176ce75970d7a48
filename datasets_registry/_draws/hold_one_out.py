"""Holds one image of each class out of a support set, to select with these images instead of validation images."""

from collections.abc import Sequence

from datasets_registry._errors import ShotsError, some
from datasets_registry._types import Sample


def hold_one_out(
    samples: Sequence[Sample], class_names: Sequence[str]
) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """The training images, and the held-out last image of each class, in the order of the support set.

    Labels are positions in `class_names`. Raises ShotsError if a class has a single image.

    Example:
        >>> kept, held = hold_one_out([Sample("a", 0), Sample("b", 0), Sample("c", 1), Sample("d", 1)], ["cat", "dog"])
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
    kept = tuple(sample for place, sample in enumerate(samples) if place not in held)
    return kept, tuple(samples[place] for place in sorted(held))
