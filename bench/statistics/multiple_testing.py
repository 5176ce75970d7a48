"""Multiple testing: adjusted p values, and the ranks that are compatible with the significant differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class RankRange:
    """The possible ranks of a method among k methods.

    `best` is 1 + the number of methods that are significantly better, `worst` is k - the number that are significantly
    worse. Four methods without any significant difference all have the range 1-4.
    """

    name: str
    best: int
    worst: int

    def __str__(self) -> str:
        return str(self.best) if self.best == self.worst else f"{self.best}–{self.worst}"


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Holm's adjusted p values. Rejecting at a level controls the family-wise error rate at that level.

    The values are `(..., m)`, a family of m tests along the last axis. Raises ValueError if one is outside 0..1 or NaN.

    Example:
        >>> holm([0.01, 0.04, 0.03]).tolist()  # 3 * 0.01, 2 * 0.03, and never below the previous one
        [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=float)
    if p.size and not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"p values are 0..1, got {p.min()} to {p.max()}; leave out tests that were not made.")
    m, order = p.shape[-1], np.argsort(p, axis=-1, kind="stable")
    stepped = np.maximum.accumulate(np.take_along_axis(p, order, -1) * np.arange(m, 0, -1), axis=-1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.minimum(stepped, 1.0), -1)
    return adjusted


def rank_ranges(names: Sequence[str], better: Mapping[tuple[str, str], bool]) -> list[RankRange]:
    """The range of ranks of each method, in the order of the names.

    `better` is true for (a, b) if a is significantly better than b. Missing pairs count as not significant.

    Example:
        >>> [str(found) for found in rank_ranges(["a", "b", "c"], {("a", "b"): True, ("a", "c"): True})]
        ['1', '2–3', '2–3']
    """
    k = len(names)
    return [
        RankRange(
            name,
            1 + sum(better.get((other, name), False) for other in names),
            k - sum(better.get((name, other), False) for other in names),
        )
        for name in names
    ]
