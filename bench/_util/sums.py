"""Sums of amounts of which some may be unknown."""


def total(*parts: float | None) -> float | None:
    """The sum of all parts; None if any is None.

    Example:
        >>> total(1.0, 2.0), total(1.0, None)
        (3.0, None)
    """
    numbers = [part for part in parts if part is not None]
    return sum(numbers) if len(numbers) == len(parts) else None
