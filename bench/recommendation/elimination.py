"""Successive elimination: which methods of a race are shown to be worse than the leader. Pure.

The true best method is dropped with a probability of at most `LEVEL` in the whole race. It can be dropped only by a
test against another method at a look, so every test has the level `LEVEL / (looks * opponents)` (Bonferroni). The looks
are planned before the race. A race that ends early makes fewer of them, which keeps the error rate.

To save time, only half of the methods go on after the second fold, half of these after the third, and so on (sequential
halving). The others rest: they are not shown to be worse, and are still compared on the images that they have scored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from bench.statistics import ADDED_TO_DIFFERENCES, MeanTest, between_trainings, cross_fitted, pooled

LEVEL = 0.05
"""Largest probability with which a race drops the best method."""
Tables = Mapping[str, NDArray[np.float64]]
"""By method, whether each image is classified correctly, `(repeats, images)`; NaN where it was not scored."""


@dataclass(frozen=True)
class Look:
    """What the outcomes so far show.

    Args:
        leader: the method with the highest accuracy of those that are still trained.
        below_leader: by other method, the leader's accuracy minus its own, on the images that both have scored.
        dropped: methods that are shown to be worse than the leader by more than the margin.
        equal: methods that are shown to be at most the margin worse than the leader.
    """

    leader: str
    below_leader: Mapping[str, MeanTest]
    dropped: tuple[str, ...]
    equal: tuple[str, ...]

    @property
    def open(self) -> tuple[str, ...]:
        """Methods that may or may not be as good as the leader."""
        return tuple(name for name in self.below_leader if name not in self.dropped and name not in self.equal)


def planned_looks(folds: int, repeats: int) -> tuple[int, ...]:
    """After how many folds the race looks: each fold of the first repetition but the first, then every repetition.

    Example:
        >>> planned_looks(4, 3)
        (2, 3, 4, 8, 12)
    """
    return (*range(2, folds + 1), *(folds * repeat for repeat in range(2, repeats + 1)))


def look(
    tables: Tables, folds: NDArray[np.int64], *, margin: float, tests: int, active: Sequence[str] | None = None
) -> Look:
    """Compare every method with the leader.

    Args:
        folds: `(repeats, images)`, the fold that holds each image out.
        margin: largest loss that does not matter, as a fraction.
        tests: the planned number of looks times the number of opponents, by which the level is divided.
        active: the methods that are still trained, of which one leads; None for all.
    """
    leader = best_of({name: tables[name] for name in active or tables})
    below_leader = against(leader, tables, folds)
    level = LEVEL / tests
    dropped = tuple(name for name, test in below_leader.items() if p_above(test, margin) <= level)
    equal = tuple(name for name, test in below_leader.items() if p_below(test, margin) <= level)
    return Look(leader, below_leader, dropped, equal)


def going_on(found: Look, by_cost: Sequence[str], *, margin: float, methods: int, folds: int) -> list[str]:
    """The methods that are trained further after that many folds: of all `methods`, half after the second, and so on.

    They are those closest to the leader. Of methods within the margin, cheaper ones come first.

    Example:
        >>> [max(2, -(-14 // 2 ** (folds - 1))) for folds in (2, 3, 4)]
        [7, 4, 2]
    """
    kept = max(2, -(-methods // 2 ** (folds - 1)))
    others = [name for name in by_cost if name in found.below_leader]
    others.sort(key=lambda name: max(0.0, found.below_leader[name].mean - margin))
    return [found.leader, *others[: kept - 1]]


def against(leader: str, tables: Tables, folds: NDArray[np.int64]) -> dict[str, MeanTest]:
    """The leader's accuracy minus that of every other method, on the images that both have scored."""
    differences = {name: tables[leader] - table for name, table in tables.items() if name != leader}
    least = pooled([between_trainings(table, folds) for table in differences.values()])
    return {
        name: cross_fitted(table, folds, added=ADDED_TO_DIFFERENCES, least=least) for name, table in differences.items()
    }


def best_of(tables: Tables) -> str:
    """The method with the highest mean; the first of equal ones."""
    return max(tables, key=lambda name: float(np.nanmean(tables[name])))


def p_above(test: MeanTest, value: float) -> float:
    """One-sided p value against "the mean is at most that value"; 1 without a standard error."""
    if test.standard_error is None or test.df is None:
        return 1.0
    return float(stdtr(test.df, (value - test.mean) / test.standard_error))


def p_below(test: MeanTest, value: float) -> float:
    """One-sided p value against "the mean is at least that value"; 1 without a standard error."""
    return p_above(test.negated(), -value)
