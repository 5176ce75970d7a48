"""Notes on the groups of a dataset's images, such as patients, and what is reported where they do not help."""

from collections.abc import Iterator
from itertools import combinations

from datasets_registry._errors import some
from datasets_registry._types import PARTS, DatasetSplits, Sample


def group_notes(splits: DatasetSplits) -> Iterator[tuple[str, str]]:
    """Code and text of each note: groups in two parts, images without a group, and test images of a single group.

    There is none for a dataset without groups.
    """
    parts: dict[str, tuple[Sample, ...]] = {part: getattr(splits, part) for part in PARTS}
    names = {part: {sample.group for sample in samples if sample.group} for part, samples in parts.items()}
    if not any(names.values()):
        return
    for first, second in combinations(PARTS, 2):
        if both := names[first] & names[second]:
            images = sum(sample.group in both for sample in parts[second])
            yield (
                "groups-in-two-parts",
                f"{len(both)} of {len(names[first] | names[second])} groups are in both {first} and {second}, with "
                f"{images} of the {len(parts[second])} {second} images ({some(sorted(both))}). Scores are reported "
                "as they are, and may be higher than on new groups.",
            )
    if without := sorted(sample.key for samples in parts.values() for sample in samples if not sample.group):
        total = sum(map(len, parts.values()))
        alone, unknown = "Each counts as a group of its own", "No test image has one, so intervals are over images"
        yield (
            "images-without-group",
            f"{len(without)} of {total} images have no group ({some(without)}). {alone if names['test'] else unknown}.",
        )
    if len(names["test"]) == 1 and all(sample.group for sample in splits.test):
        yield (
            "one-group",
            f"All {len(splits.test)} test images are of one group ({some(sorted(names['test']))}), so intervals are "
            "over images and say nothing about other groups.",
        )
