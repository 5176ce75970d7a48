"""Numbers of shots as text, and the number that means all training images."""

from bench._util.counted import counted

ALL_SHOTS = 2**31 - 1
"""Means all training images, however many a class has. It is larger than any number of shots, so it sorts last."""
ALL = "all"
"""Its text in `--shots` and JSON."""


def shots_text(shots: int) -> str:
    """A number of shots as text.

    Example:
        >>> shots_text(1), shots_text(16), shots_text(ALL_SHOTS)
        ('1 shot', '16 shots', 'all training images')
    """
    return "all training images" if shots == ALL_SHOTS else counted(shots, "shot")


def shots_value(shots: int) -> int | str:
    """A number of shots as a JSON value: `all` for all training images."""
    return ALL if shots == ALL_SHOTS else shots
