"""Pareto front of accuracy against cost. Pure."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.analysis.leaderboard import Entry, Leaderboard
from bench.analysis.statistics.intervals import Estimate


def pareto_front(cost: ArrayLike, score: ArrayLike) -> NDArray[np.bool_]:
    """Whether each entry is on the front, `(m,)`, from finite costs (lower is better) and scores (higher is better).

    An entry is on the front if no other entry costs at most as much and scores at least as high, with one of the two
    strictly better. Entries that are equal in both are on the front together.

    Example:
        >>> pareto_front([1, 2, 3], [0.5, 0.7, 0.6]).tolist()
        [True, True, False]
    """
    costs, scores = np.asarray(cost, dtype=float), np.asarray(score, dtype=float)
    cheaper, as_cheap = costs < costs[:, None], costs <= costs[:, None]
    better, as_good = scores > scores[:, None], scores >= scores[:, None]
    dominated: NDArray[np.bool_] = np.any((as_cheap & better) | (cheaper & as_good), axis=1)
    return ~dominated


@dataclass(frozen=True)
class CostPoint:
    """The measure that orders the board for one entry, and its costs.

    Args:
        costs: mean per run without shared features, by axis: `train_seconds` or `test_seconds`, `memory`, `parameters`,
            `passes`. An axis whose value is unknown is left out.
        front: whether the entry is on the Pareto front of an axis; empty for incomplete entries and oracles.
    """

    entry: str
    value: Estimate
    costs: Mapping[str, float]
    front: Mapping[str, bool]


def cost_points(board: Leaderboard) -> tuple[CostPoint, ...]:
    """Every entry with a cost; the rankable ones with their place on the Pareto front of each cost axis.

    Time and memory are left out where the entries were computed on different classes of devices.
    """
    one_device = len({entry.cost.device for entry in board.entries if entry.cost}) == 1
    averages = {entry.key: board.average(entry.key, board.measures[-1]) for entry in board.entries if entry.cost}
    values = {key: value for key, value in averages.items() if value is not None}
    costs = {entry.key: _costs(entry, one_device) for entry in board.entries if entry.key in values}
    rankable = [entry.key for entry in board.entries if entry.rankable and entry.key in values]
    fronts: defaultdict[str, dict[str, bool]] = defaultdict(dict)
    for axis in sorted(set.intersection(*(set(costs[key]) for key in rankable))) if rankable else ():
        front = pareto_front([costs[key][axis] for key in rankable], [values[key].mean for key in rankable])
        for key, on_front in zip(rankable, front.tolist(), strict=True):
            fronts[key][axis] = on_front
    return tuple(CostPoint(key, value, costs[key], fronts[key]) for key, value in values.items())


def _costs(entry: Entry, one_device: bool) -> dict[str, float]:
    cost = entry.cost
    assert cost is not None
    time = "test_seconds" if cost.learns_from_tests else "train_seconds"
    of_the_device = {time: cost.own_seconds, "memory": cost.added_memory_bytes} if one_device else {}
    costs: dict[str, float | None] = {"parameters": cost.parameters_high, "passes": cost.own_passes, **of_the_device}
    return {name: float(value) for name, value in costs.items() if value is not None}
