"""Successive elimination: finds the methods of a race that are significantly worse than the leader. Pure.

The true best method is dropped with a probability of at most `ERROR_RATE` in the whole race. It can be dropped only by
a test against another method at a look, so every test has the level `ERROR_RATE / (looks * opponents)` (Bonferroni).
The looks are planned before the race; one more is for a race that the budget ends between them. A race that ends early
has fewer looks, so the error rate still holds.

Every interval errs on each side at the level of one test. So a method is dropped if its interval lies above the margin,
and no table contradicts a decision.

To save time, only half of the methods continue after the second fold, half of these after the third, and so on
(sequential halving). The others rest: they were not shown to be worse, and are still compared on the images that they
have scored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.analysis import MeanTest
from bench.extensions.recommendation.cross_fitting import (
    ADDED_TO_DIFFERENCES,
    between_trainings,
    cross_fitted,
    pooled,
)

ERROR_RATE = 0.05
"""Largest probability with which a race drops the best method."""
Tables = Mapping[str, NDArray[np.float64]]
"""By method, whether each image is classified correctly, `(repeats, images)`; NaN where it was not scored."""


@dataclass(frozen=True)
class Look:
    """The comparison of methods on the outcomes so far.

    Args:
        leader: the method with the highest accuracy among those that are still trained.
        below_leader: for every other method, the leader's accuracy minus its own, on the images that both have scored.
        level: probability with which one end of an interval errs; it allows for all methods and looks.
        dropped: methods that are significantly worse than the leader by more than the margin.
        equal: methods that were shown to be worse than the leader by at most the margin.
    """

    leader: str
    below_leader: Mapping[str, MeanTest]
    level: float
    dropped: tuple[str, ...]
    equal: tuple[str, ...]

    @property
    def open(self) -> tuple[str, ...]:
        """Methods whose comparison with the leader is inconclusive."""
        return tuple(name for name in self.below_leader if name not in self.dropped and name not in self.equal)


def planned_looks(folds: int, repeats: int) -> tuple[int, ...]:
    """Numbers of folds after which the race looks: 2, 3, ... of the first repetition, then after every repetition.

    Example:
        >>> planned_looks(4, 3)
        (2, 3, 4, 8, 12)
    """
    return (*range(2, folds + 1), *(folds * repeat for repeat in range(2, repeats + 1)))


def look(
    tables: Tables,
    folds: NDArray[np.int64],
    *,
    margin: float,
    tests: int,
    active: Sequence[str] | None = None,
    groups: NDArray[np.int64] | None = None,
) -> Look:
    """Compare every method with the leader.

    Args:
        folds: `(repeats, images)`, the fold in which each image is held out.
        groups: `(images,)`, the group of each image; None if the images are independent.
        margin: largest loss that is considered irrelevant, as a fraction.
        tests: the number of looks, with the last one, times the number of opponents; the level is divided by it.
        active: the methods that are still trained, among which the leader is; None for all.
    """
    leader, level = best_of({name: tables[name] for name in active or tables}), ERROR_RATE / tests
    below_leader = against(leader, tables, folds, groups, level=level)
    dropped = tuple(name for name, test in below_leader.items() if test.low is not None and test.low >= margin)
    equal = tuple(name for name, test in below_leader.items() if test.high is not None and test.high <= margin)
    return Look(leader, below_leader, level, dropped, equal)


def going_on(found: Look, by_cost: Sequence[str], *, margin: float, methods: int, folds: int) -> list[str]:
    """The methods that are still trained after that many folds, `number_kept` of all `methods`.

    They are the methods closest to the leader. Among methods within the margin, cheaper ones come first.
    """
    others = [name for name in by_cost if name in found.below_leader]
    others.sort(key=lambda name: max(0.0, found.below_leader[name].mean - margin))
    return [found.leader, *others[: number_kept(methods, folds) - 1]]


def number_kept(methods: int, folds: int) -> int:
    """How many of all methods go on after that many folds: all after the first, half after the second, and so on.

    Example:
        >>> [number_kept(14, folds) for folds in (1, 2, 3, 4)]
        [14, 7, 4, 2]
    """
    return max(min(2, methods), -(-methods // (1 << (folds - 1))))


def planned_trainings(methods: int, folds: int) -> int:
    """The runs of the first repetition if no method is dropped: all methods on two folds, then fewer on each.

    Example:
        >>> planned_trainings(14, 4)  # 14 + 14 + 7 + 4
        39
    """
    return methods + sum(number_kept(methods, done) for done in range(1, folds))


def against(
    leader: str,
    tables: Tables,
    folds: NDArray[np.int64],
    groups: NDArray[np.int64] | None = None,
    *,
    level: float,
) -> dict[str, MeanTest]:
    """The leader's accuracy minus that of every other method, on the images that both have scored.

    Intervals err with probability `level` on each side and lie within -1..1. There is none as long as the variance
    between trainings is unknown, with a single fold.
    """
    differences = {name: tables[leader] - table for name, table in tables.items() if name != leader}
    least = pooled([between_trainings(table, folds, groups) for table in differences.values()])
    how: dict[str, Any] = {"groups": groups, "added": ADDED_TO_DIFFERENCES, "least": least, "level": 1 - 2 * level}
    tests = {name: cross_fitted(table, folds, **how) for name, table in differences.items()}
    if not least.df:
        return {name: MeanTest(test.mean, test.n, test.groups) for name, test in tests.items()}
    return {name: test.within() for name, test in tests.items()}


def best_of(tables: Tables) -> str:
    """The method with the highest mean; on ties the first."""
    return max(tables, key=lambda name: float(np.nanmean(tables[name])))
