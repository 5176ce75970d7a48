"""Does difficulty help to choose a method? Two rules, judged on datasets that they have not seen. Pure."""

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
    """Points lost to the best method of a dataset that the rule has not seen: mean and maximum over datasets."""

    mean: float
    worst: float


@dataclass(frozen=True)
class Choice:
    """The rule with the smaller mean regret; `AVERAGE` where both are equal.

    Args:
        regrets: by rule; empty with a single dataset, without `ALIKE` where too few difficulties are known.
    """

    rule: Rule
    regrets: dict[Rule, Regret]


def third(n: int) -> int:
    """Size of a third of n datasets: 4 of 11, 2 of 6."""
    return max(1, round(n / 3))


def positions(difficulty: Sequence[float | None], zero_shot: Sequence[float | None]) -> list[float | None]:
    """Places of datasets on the axis of log difficulty, None where the difficulty was not measured.

    A dataset without difficulty because its zero-shot accuracy is 0 is harder than all: ten times the hardest.

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
    """The rule that loses least when each dataset in turn is left out.

    Both rules are judged on the datasets with a known place; below six of those, only `AVERAGE` is judged, on all.

    Args:
        values: `(methods, datasets)`, without missing values.
        places: of the datasets, see `positions`.

    Example:
        >>> choose_rule([[0.9, 0.8, 0.1], [0.5, 0.5, 0.5]], [None] * 3).regrets[Rule.AVERAGE].worst  # without the third
        0.4
    """
    table = np.asarray(values, dtype=float)
    known = [index for index, place in enumerate(places) if place is not None]
    judged = known if len(known) >= FEWEST else list(range(table.shape[1]))
    if table.shape[1] < 2:
        return Choice(Rule.AVERAGE, {})
    regrets = {Rule.AVERAGE: _regret(table, judged, lambda left: _others(table.shape[1], left))}
    if judged is known:
        along = np.array([np.nan if place is None else place for place in places])
        regrets[Rule.ALIKE] = _regret(table, judged, lambda left: _closest(along, left))
    return Choice(min(regrets, key=lambda rule: regrets[rule].mean), regrets)


def _regret(table: NDArray[np.float64], judged: Sequence[int], seen: Callable[[int], list[int]]) -> Regret:
    lost = []
    for left in judged:
        chosen = int(table[:, seen(left)].mean(axis=1).argmax())
        lost.append(float(table[:, left].max() - table[chosen, left]))
    return Regret(float(np.mean(lost)), max(lost))


def _others(n: int, left: int) -> list[int]:
    return [index for index in range(n) if index != left]


def _closest(along: NDArray[np.float64], left: int) -> list[int]:
    """The third of the datasets that are closest to the one left out."""
    others = [index for index in range(len(along)) if index != left and not np.isnan(along[index])]
    distance = {index: abs(along[index] - along[left]) for index in others}
    return sorted(others, key=lambda index: (distance[index], index))[: third(len(others) + 1)]
