"""Choosing a method before any training: policies, evaluated on held-out datasets. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bench.analysis.easy_and_hard import FEWEST_FOR_THIRDS
from bench.analysis.statistics.correlation import mid_ranks


@dataclass(frozen=True)
class Regret:
    """Accuracy lost to the best method of a held-out dataset, as a fraction: mean and maximum over datasets."""

    mean: float
    worst: float


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


def losses(table: NDArray[np.float64], judged: Sequence[int], choose: Callable[[int], int]) -> list[float]:
    """The accuracy lost on each of the `judged` datasets, a fraction."""
    return [float(table[:, left].max() - table[choose(left), left]) for left in judged]


def others(n: int, left: int) -> list[int]:
    """The indices of all datasets but `left`."""
    return [index for index in range(n) if index != left]


def closest(along: NDArray[np.float64], left: int) -> list[int]:
    """The third of the datasets that are closest to dataset `left`."""
    return nearest(along, along[left], others(len(along), left))


def nearest(along: NDArray[np.float64], place: float, seen: Sequence[int]) -> list[int]:
    """The datasets among `seen` that are the closest third to a new one at a place; of equal ones the first."""
    known = [index for index in seen if not np.isnan(along[index])]
    return sorted(known, key=lambda index: (abs(along[index] - place), index))[: third(len(known) + 1)]


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

    @cached_property
    def along(self) -> NDArray[np.float64]:
        """The places as an array, `(datasets,)`; NaN if unknown."""
        return np.array([np.nan if place is None else place for place in self.places])


@dataclass(frozen=True)
class PolicyChoice:
    """The chosen policy, and the regret of each policy on held-out datasets.

    The best average is chosen unless another policy's regret is lower by more than one standard error of the
    difference.
    """

    policy: Policy
    regrets: Mapping[Policy, Regret]


def judge_policies(known: Known, policies: Sequence[Policy] = tuple(Policy)) -> PolicyChoice:
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
    lost = {
        policy: np.array(losses(table, judged, partial(chosen, known, policy)), dtype=float)
        for policy in available(known)
        if policy in policies
    }
    if Policy.RANDOM in policies:
        lost[Policy.RANDOM] = (table.max(0) - table.mean(0))[judged]
    best = Policy.AVERAGE
    for policy, found in lost.items():
        if clearly_less(found, lost[Policy.AVERAGE]) and found.mean() < lost[best].mean():
            best = policy
    return PolicyChoice(
        best, {policy: Regret(float(found.mean()), float(found.max())) for policy, found in lost.items()}
    )


@dataclass(frozen=True)
class GainPredictions:
    """How well values of methods on held-out datasets are predicted from the others, as fractions.

    Args:
        errors: mean absolute errors over methods and datasets: of a method's mean, and of its line over log difficulty.
        regrets: what the method of the highest prediction loses to the best, mean over datasets, in the same order.
        helps: whether the line's choice loses less by more than one standard error.
        datasets: number of held-out datasets: those with a known difficulty.
    """

    errors: tuple[float, float]
    regrets: tuple[float, float]
    helps: bool
    datasets: int


def predicted_gains(known: Known) -> GainPredictions | None:
    """Predict each method's value on a dataset from the others, by its mean and by its line over log difficulty.

    None below six datasets with a known difficulty, or without methods.

    Example:
        >>> easy_to_hard = tuple(float(np.exp(place)) for place in range(6))
        >>> known = Known(("a",), tuple("uvwxyz"), np.arange(6.0)[None] / 10, easy_to_hard, (0.5,) * 6)
        >>> [round(error, 2) for error in predicted_gains(known).errors]
        [0.18, 0.0]
    """
    places = [index for index, place in enumerate(known.along) if not np.isnan(place)]
    if len(places) < FEWEST_FOR_THIRDS or not len(known.values):
        return None
    along, values = known.along[places], known.values[:, places]
    means, lines = np.empty_like(values), np.empty_like(values)
    for left in range(len(places)):
        seen = others(len(places), left)
        means[:, left] = values[:, seen].mean(1)
        slope, start = np.polyfit(along[seen], values[:, seen].T, 1)
        lines[:, left] = start + slope * along[left]
    lost = [values.max(0) - values[found.argmax(0), np.arange(len(places))] for found in (means, lines)]
    return GainPredictions(
        errors=(float(abs(values - means).mean()), float(abs(values - lines).mean())),
        regrets=(float(lost[0].mean()), float(lost[1].mean())),
        helps=clearly_less(lost[1], lost[0]),
        datasets=len(places),
    )


def clearly_less(lost: NDArray[np.float64], by_average: NDArray[np.float64]) -> bool:
    """Whether a policy loses less than the best average by more than one standard error of the difference."""
    gain = by_average - lost
    return len(gain) > 1 and bool(gain.mean() > standard_error(gain))


def standard_error(differences: NDArray[np.float64]) -> float:
    """Standard error of the mean difference in loss between two policies, over at least two left-out datasets.

    The losses share their other datasets, so the squared standard error is `s^2 (1 / n + 1 / (n - 1))`, the correction
    of Nadeau and Bengio (2003). In simulations of eleven datasets and equally good policies, the 95 % interval contains
    0 in 96 to 99 % of cases, and in 82 to 92 % without the correction.

    Example:
        >>> round(standard_error(np.array([0.0, 0.0, 0.3])), 3)
        0.158
    """
    n = len(differences)
    return float(differences.std(ddof=1) * np.sqrt(1 / n + 1 / (n - 1)))


def available(known: Known) -> list[Policy]:
    """The policies that can be used with what is known, except the random one."""
    with_difficulty = sum(place is not None for place in known.places) >= FEWEST_FOR_THIRDS
    plain = [Policy.AVERAGE, Policy.RANK]
    return [*plain, Policy.NEAREST, Policy.RIDGE_DIFFICULTY, Policy.RIDGE_ERROR] if with_difficulty else plain


def chosen(known: Known, policy: Policy, left: int) -> int:
    """Index of the method that a policy chooses for dataset `left` from all others."""
    seen = others(len(known.datasets), left)
    along = known.along
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


def seen_from(known: Known, policy: Policy, place: float, seen: Sequence[int]) -> list[int]:
    """The datasets among `seen` by which best average or nearest difficulty choose for a new dataset at a place."""
    return list(seen) if policy is Policy.AVERAGE else nearest(known.along, place, seen)


def left_out_values(known: Known, policy: Policy, place: float, group: Sequence[int]) -> list[float]:
    """The value on each dataset of a group of the method that is chosen for that place without the dataset.

    Args:
        policy: best average or nearest difficulty.

    Example:
        >>> values = np.array([[0.9, 0.2, 0.2], [0.3, 0.3, 0.3]])
        >>> known = Known(("a", "b"), ("x", "y", "z"), values, (None,) * 3, (None,) * 3)
        >>> left_out_values(known, Policy.AVERAGE, 0.0, range(3))  # b without x, a without the others
        [0.3, 0.2, 0.2]
    """
    found = []
    for left in group:
        seen = seen_from(known, policy, place, others(len(known.datasets), left))
        found.append(float(known.values[int(known.values[:, seen].mean(axis=1).argmax()), left]))
    return found


def windows(along: NDArray[np.float64]) -> tuple[list[float], list[list[int]]]:
    """The sets of datasets that can be the closest third to a new one, from easy to hard.

    Returns the places from which the next set is the closest, one fewer than the sets, and the sets.

    Example:
        >>> windows(np.array([5.0, 1.0, 2.0, np.nan]))
        ([1.5, 3.5], [[1], [2], [0]])
    """
    order = [int(index) for index in np.argsort(along, kind="stable") if not np.isnan(along[index])]
    size = third(len(order) + 1)
    sets = [order[start : start + size] for start in range(len(order) - size + 1)]
    return [float(along[one[0]] + along[two[-1]]) / 2 for one, two in pairwise(sets)], sets


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
