"""Datasets whose test images a backbone has seen in pretraining. Pure."""

from datasets_registry import SeenImages, UnknownNameError, get_dataset, seen_images

SEEN_SHARE = 0.01
"""A dataset counts as seen if more than this share of its test images overlaps with the pretraining data.

If images that were seen are always classified correctly, a share s raises an accuracy by at most s.
"""


def published_overlap(dataset: str, backbone: str) -> SeenImages | None:
    """The published overlap of a dataset with a backbone's pretraining data; None without one, or if not registered."""
    try:
        return seen_images(get_dataset(dataset.partition(":")[0]), backbone)
    except UnknownNameError:
        return None


def is_seen(overlap: SeenImages | None) -> bool:
    """Whether more than `SEEN_SHARE` of the test images overlap, or some do and the share is not published."""
    return overlap is not None and (overlap.share is None or overlap.share > SEEN_SHARE)
