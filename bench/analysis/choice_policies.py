"""Policies that choose a method before any training, evaluated on held-out datasets. Pure.

`method_choice` has the two rules of the page. This module has these two and four more.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bench.analysis.difficulty_groups import FEWEST
from bench.analysis.method_choice import Regret, closest, losses, others, positions
from bench.statistics.correlation import mid_ranks


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
        return found if len(found) >= FEWEST else list(range(len(self.datasets)))

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
    with_difficulty = sum(place is not None for place in known.places) >= FEWEST
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
