"""Many tests at once: adjusted p values within the family that is shown, and tie groups in place of ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class RankRange:
    """The positions a method may hold: from 1 + how many are shown better, to k - how many are shown worse.

    Four methods that cannot be told apart are 1-4, all of them.
    """

    name: str
    best: int
    worst: int

    def __str__(self) -> str:
        return str(self.best) if self.best == self.worst else f"{self.best}–{self.worst}"


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Holm's adjusted p values: rejecting those up to the level keeps the chance of any false one below it.

    Args:
        p_values: one family along the last axis; several families at once.

    Example:
        >>> holm([0.01, 0.04, 0.03]).tolist()
        [0.03, 0.06, 0.06]
    """
    p = _checked(p_values)
    m, order = p.shape[-1], np.argsort(p, axis=-1, kind="stable")
    stepped = np.maximum.accumulate(np.take_along_axis(p, order, -1) * np.arange(m, 0, -1), axis=-1)
    return _restored(np.minimum(stepped, 1.0), order)


def benjamini_hochberg(p_values: ArrayLike) -> NDArray[np.float64]:
    """Benjamini and Hochberg's adjusted p values: the expected share of false ones among those rejected.

    Args:
        p_values: one family along the last axis; several families at once.

    Example:
        >>> benjamini_hochberg([0.01, 0.04, 0.03]).tolist()
        [0.03, 0.04, 0.04]
    """
    p = _checked(p_values)
    m, order = p.shape[-1], np.argsort(p, axis=-1, kind="stable")
    scaled = np.take_along_axis(p, order, -1) * (m / np.arange(1, m + 1))
    stepped = np.minimum.accumulate(scaled[..., ::-1], axis=-1)[..., ::-1]
    return _restored(np.minimum(stepped, 1.0), order)


def rank_ranges(names: Sequence[str], better: Mapping[tuple[str, str], bool]) -> list[RankRange]:
    """Ranges of ranks from what has been shown.

    Args:
        names: all methods, in the order in which they are listed.
        better: (a, b) true where a has been shown better than b; absent pairs are not separated.
    """
    shown = {pair for pair, holds in better.items() if holds}
    k = len(names)
    return [
        RankRange(
            name,
            1 + sum((other, name) in shown for other in names),
            k - sum((name, other) in shown for other in names),
        )
        for name in names
    ]


def _checked(p_values: ArrayLike) -> NDArray[np.float64]:
    p = np.asarray(p_values, dtype=float)
    if p.size and not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"p values are 0..1, got {p.min()} to {p.max()}; leave out tests that were not made.")
    return p


def _restored(values: NDArray[np.float64], order: NDArray[np.intp]) -> NDArray[np.float64]:
    restored = np.empty_like(values)
    np.put_along_axis(restored, order, values, -1)
    return restored
