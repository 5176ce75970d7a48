"""Tests whether difficulty helps to choose a method: two rules, evaluated on held-out datasets. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.analysis.difficulty_groups import FEWEST


class Rule(StrEnum):
    """How a method is chosen for a new dataset."""

    AVERAGE = "average"
    """The method with the highest mean over all datasets."""
    ALIKE = "alike"
    """The method with the highest mean over the third of the datasets that are closest in difficulty."""


@dataclass(frozen=True)
class Regret:
    """Accuracy lost to the best method of a held-out dataset, as a fraction: mean and maximum over datasets."""

    mean: float
    worst: float


@dataclass(frozen=True)
class Choice:
    """The rule with the smaller mean regret; `AVERAGE` if both are equal.

    Args:
        regrets: regret by rule; empty with a single dataset, without `ALIKE` if too few difficulties are known.
    """

    rule: Rule
    regrets: dict[Rule, Regret]


def third(n: int) -> int:
    """Size of a third of n datasets: 4 of 11, 2 of 6."""
    return max(1, round(n / 3))


def positions(difficulty: Sequence[float | None], zero_shot: Sequence[float | None]) -> list[float | None]:
    """Log difficulty of datasets; None if it was not measured.

    The difficulty is undefined at a zero-shot accuracy of 0; such a dataset counts as ten times the hardest.

    Example:
        >>> positions([1.0, None, None], [0.5, 0.0, None])[1]  # log 10
        2.302585092994046
        >>> positions([1.0, None, None], [0.5, 0.0, None])[2] is None
        True
    """
    known = [value for value in difficulty if value is not None and value > 0]
    beyond = 10 * max(known, default=0.1)
    return [
        float(np.log(value)) if value else float(np.log(beyond)) if accuracy == 0 else None
        for value, accuracy in zip(difficulty, zero_shot, strict=True)
    ]


def choose_rule(values: ArrayLike, places: Sequence[float | None]) -> Choice:
    """The rule with the smallest regret in leave-one-dataset-out evaluation.

    Both rules are evaluated on the datasets with a known position; with fewer than six, only `AVERAGE` is, on all.

    Args:
        values: `(methods, datasets)`, without missing values.
        places: log difficulty of the datasets, see `positions`.

    Example:
        >>> choose_rule([[0.9, 0.8, 0.1], [0.5, 0.5, 0.5]], [None] * 3).regrets[Rule.AVERAGE].worst  # without the third
        0.4
    """
    table = np.asarray(values, dtype=float)
    known = [index for index, place in enumerate(places) if place is not None]
    judged = known if len(known) >= FEWEST else list(range(table.shape[1]))
    if table.shape[1] < 2:
        return Choice(Rule.AVERAGE, {})

    def best_on(seen: Sequence[int]) -> int:
        return int(table[:, seen].mean(axis=1).argmax())

    regrets = {Rule.AVERAGE: regret(table, judged, lambda left: best_on(others(table.shape[1], left)))}
    if judged is known:
        along = np.array([np.nan if place is None else place for place in places])
        regrets[Rule.ALIKE] = regret(table, judged, lambda left: best_on(closest(along, left)))
    return Choice(min(regrets, key=lambda rule: regrets[rule].mean), regrets)


def regret(table: NDArray[np.float64], judged: Sequence[int], choose: Callable[[int], int]) -> Regret:
    """The regret, on the `judged` datasets, of a rule that chooses a method without seeing the dataset."""
    lost = losses(table, judged, choose)
    return Regret(float(np.mean(lost)), max(lost))


def losses(table: NDArray[np.float64], judged: Sequence[int], choose: Callable[[int], int]) -> list[float]:
    """The accuracy lost on each of the `judged` datasets, a fraction."""
    return [float(table[:, left].max() - table[choose(left), left]) for left in judged]


def others(n: int, left: int) -> list[int]:
    """The indices of all datasets but `left`."""
    return [index for index in range(n) if index != left]


def closest(along: NDArray[np.float64], left: int) -> list[int]:
    """The third of the datasets that are closest to dataset `left`."""
    rest = [index for index in range(len(along)) if index != left and not np.isnan(along[index])]
    distance = {index: abs(along[index] - along[left]) for index in rest}
    return sorted(rest, key=lambda index: (distance[index], index))[: third(len(rest) + 1)]
