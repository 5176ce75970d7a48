"""Draws in which some class has fewer training images than shots."""

from collections.abc import Mapping

from bench._util.counted import counted

MOST_CLASSES = 5
"""Classes that the line names."""


def short_draw(dataset: str, shots: int, sizes: Mapping[str, int]) -> str:
    """Text about a short draw; `sizes` has the number of training images of each class with fewer than `shots`.

    Example:
        >>> short_draw("birds", 16, {"rare": 3, "jay": 9})
        'birds with up to 16 shots: 2 classes have fewer training images, and all of them are drawn (rare 3, jay 9)'
    """
    listed = ", ".join(f"{name} {size}" for name, size in list(sizes.items())[:MOST_CLASSES])
    more = f" and {len(sizes) - MOST_CLASSES} more" if len(sizes) > MOST_CLASSES else ""
    have = "has" if len(sizes) == 1 else "have"
    return (
        f"{dataset} with up to {shots} shots: {counted(len(sizes), 'class')} {have} fewer training images, and all of "
        f"them are drawn ({listed}{more})"
    )
