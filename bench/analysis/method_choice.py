"""Choosing a method before any training: policies and rules, evaluated on held-out datasets. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.analysis.easy_and_hard import FEWEST_FOR_THIRDS
from bench.analysis.statistics.correlation import mid_ranks


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
class RuleChoice:
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


def choose_rule(values: ArrayLike, places: Sequence[float | None]) -> RuleChoice:
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
    judged = known if len(known) >= FEWEST_FOR_THIRDS else list(range(table.shape[1]))
    if table.shape[1] < 2:
        return RuleChoice(Rule.AVERAGE, {})

    def best_on(seen: Sequence[int]) -> int:
        return int(table[:, seen].mean(axis=1).argmax())

    regrets = {Rule.AVERAGE: regret(table, judged, lambda left: best_on(others(table.shape[1], left)))}
    if judged is known:
        along = np.array([np.nan if place is None else place for place in places])
        regrets[Rule.ALIKE] = regret(table, judged, lambda left: best_on(closest(along, left)))
    return RuleChoice(min(regrets, key=lambda rule: regrets[rule].mean), regrets)


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


class Policy(StrEnum):
    """How a method is chosen for a dataset without any training on it."""

    AVERAGE = "best average"
    """The highest mean accuracy over all other datasets."""
    RANK = "average rank"
    """The best mean rank over all other datasets."""
    NEAREST = "nearest difficulty"
    """The highest mean over the third of the datasets whose transfer difficulty is closest."""
    RIDGE_DIFFICULTY = "ridge on difficulty"
    """The highest accuracy predicted from log transfer difficulty."""
    RIDGE_ERROR = "ridge on zero-shot error"
    """The highest accuracy predicted from the error of zero-shot."""
    RANDOM = "random"
    """Any method, with equal probability."""


PENALTY = 1.0
"""Penalty of the ridge regression, on a standardised covariate."""


@dataclass(frozen=True)
class Known:
    """Knowledge before any training: accuracies of methods on datasets, and the datasets' difficulty.

    Args:
        methods: names of the rows.
        datasets: names of the columns.
        values: accuracies, `(methods, datasets)`, without missing values.
        difficulty: relative transfer difficulty (RTD) of each dataset; None if unknown.
        zero_shot: zero-shot accuracy on each dataset; None if unknown.
    """

    methods: tuple[str, ...]
    datasets: tuple[str, ...]
    values: NDArray[np.float64]
    difficulty: tuple[float | None, ...]
    zero_shot: tuple[float | None, ...]

    @property
    def judged(self) -> list[int]:
        """The datasets on which policies are evaluated: those with a known difficulty, or all if these are few."""
        found = [i for i, place in enumerate(self.places) if place is not None and self.zero_shot[i] is not None]
        return found if len(found) >= FEWEST_FOR_THIRDS else list(range(len(self.datasets)))

    @property
    def places(self) -> list[float | None]:
        """Log difficulty of the datasets; None if unknown."""
        return positions(self.difficulty, self.zero_shot)


@dataclass(frozen=True)
class PolicyChoice:
    """The chosen policy, and the regret of each policy on held-out datasets.

    The best average is chosen unless another policy's regret is lower by more than one standard error of the
    difference.
    """

    policy: Policy
    regrets: Mapping[Policy, Regret]


def judge_policies(known: Known) -> PolicyChoice:
    """Evaluate policies by leaving one dataset out; those that need a difficulty require six datasets with a known one.

    Example:
        >>> values = np.array([[0.9, 0.8, 0.7], [0.8, 0.7, 0.6]])
        >>> found = judge_policies(Known(("a", "b"), ("x", "y", "z"), values, (None,) * 3, (None,) * 3))
        >>> found.policy.value, found.regrets[Policy.AVERAGE].mean, round(found.regrets[Policy.RANDOM].mean, 3)
        ('best average', 0.0, 0.05)
    """
    judged, table = known.judged, known.values
    if len(known.datasets) < 2:
        return PolicyChoice(Policy.AVERAGE, {})
    lost: dict[Policy, NDArray[np.float64]] = {
        policy: np.array(losses(table, judged, partial(chosen, known, policy)), dtype=float)
        for policy in available(known)
    }
    lost[Policy.RANDOM] = (table.max(0) - table.mean(0))[judged]
    best = Policy.AVERAGE
    for policy, found in lost.items():
        gain = lost[Policy.AVERAGE] - found
        error = float(gain.std(ddof=1)) / np.sqrt(len(gain)) if len(gain) > 1 else np.inf
        if gain.mean() > error and found.mean() < lost[best].mean():
            best = policy
    return PolicyChoice(
        best, {policy: Regret(float(found.mean()), float(found.max())) for policy, found in lost.items()}
    )


def available(known: Known) -> list[Policy]:
    """The policies that can be used with what is known, except the random one."""
    with_difficulty = sum(place is not None for place in known.places) >= FEWEST_FOR_THIRDS
    plain = [Policy.AVERAGE, Policy.RANK]
    return [*plain, Policy.NEAREST, Policy.RIDGE_DIFFICULTY, Policy.RIDGE_ERROR] if with_difficulty else plain


def chosen(known: Known, policy: Policy, left: int) -> int:
    """Index of the method that a policy chooses for dataset `left` from all others."""
    seen = others(len(known.datasets), left)
    along = np.array([np.nan if place is None else place for place in known.places])
    errors = np.array([np.nan if value is None else 1 - value for value in known.zero_shot])
    choose: Mapping[Policy, Callable[[], NDArray[np.float64]]] = {
        Policy.AVERAGE: lambda: known.values[:, seen].mean(1),
        Policy.RANK: lambda: -np.mean([mid_ranks(-known.values[:, i]) for i in seen], axis=0),
        Policy.NEAREST: lambda: known.values[:, closest(along, left)].mean(1),
        Policy.RIDGE_DIFFICULTY: partial(_predicted, known.values, along, seen, left),
        Policy.RIDGE_ERROR: partial(_predicted, known.values, errors, seen, left),
    }
    return int(np.argmax(choose[policy]()))


def choose_for(known: Known, policy: Policy, difficulty: float | None, zero_shot: float | None) -> str:
    """The method that a policy chooses for a new dataset; by best average if a needed difficulty is unknown."""
    n = len(known.datasets)
    wider = Known(
        known.methods,
        (*known.datasets, ""),
        np.column_stack([known.values, np.zeros(len(known.methods))]),
        (*known.difficulty, difficulty),
        (*known.zero_shot, zero_shot),
    )
    needs = policy not in (Policy.AVERAGE, Policy.RANK)
    usable = Policy.AVERAGE if needs and (difficulty is None or zero_shot is None) else policy
    return known.methods[chosen(wider, usable, n)]


def _predicted(
    values: NDArray[np.float64], along: NDArray[np.float64], seen: Sequence[int], left: int
) -> NDArray[np.float64]:
    """Each method's difference from the mean method, predicted for the left-out dataset by ridge regression."""
    seen = [index for index in seen if not np.isnan(along[index])]
    lead = values[:, seen] - values[:, seen].mean(0)
    centre, scale = along[seen].mean(), along[seen].std() or 1.0
    x = (along[seen] - centre) / scale
    slope = lead @ x / (x @ x + PENALTY)
    predicted: NDArray[np.float64] = lead.mean(1) + slope * (along[left] - centre) / scale
    return predicted
