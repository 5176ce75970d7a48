"""Choosing a method before any training, by the best average or the nearest difficulty, on left-out datasets. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bench.analysis.easy_and_hard import FEWEST_FOR_THIRDS


class Policy(StrEnum):
    """How a method is chosen for a dataset without any training on it."""

    AVERAGE = "best average"
    """The highest mean accuracy over all other datasets."""
    NEAREST = "nearest difficulty"
    """The highest mean over the third of the datasets whose transfer difficulty is closest."""


def positions(difficulty: Sequence[float | None], zero_shot: Sequence[float | None]) -> list[float | None]:
    """Log difficulty of datasets; None if it was not measured.

    The difficulty is undefined at a zero-shot accuracy of 0; such a dataset counts as ten times the hardest.

    Example:
        >>> positions([1.0, None, None], [0.5, 0.0, None])[1]  # log 10
        2.302585092994046
        >>> positions([1.0, None, None], [0.5, 0.0, None])[2] is None
        True
    """
    measured = [value for value in difficulty if value is not None and value > 0]
    beyond = 10 * max(measured, default=0.1)
    return [
        float(np.log(value)) if value else float(np.log(beyond)) if accuracy == 0 else None
        for value, accuracy in zip(difficulty, zero_shot, strict=True)
    ]


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
        placed = [i for i, place in enumerate(self.along) if not np.isnan(place) and self.zero_shot[i] is not None]
        return placed if len(placed) >= FEWEST_FOR_THIRDS else list(range(len(self.datasets)))

    @cached_property
    def along(self) -> NDArray[np.float64]:
        """Log difficulty of the datasets, `(datasets,)`; NaN if unknown."""
        places = positions(self.difficulty, self.zero_shot)
        return np.array([np.nan if place is None else place for place in places])

    def chosen(self, policy: Policy, left: int) -> int:
        """Index of the method that a policy chooses for dataset `left` from all others; of equal ones the first.

        Example:
            >>> values = np.array([[0.9, 0.2, 0.2], [0.3, 0.3, 0.3]])
            >>> known = Known(("a", "b"), ("x", "y", "z"), values, (None,) * 3, (None,) * 3)
            >>> [known.chosen(Policy.AVERAGE, left) for left in range(3)]  # b without x, a without the others
            [1, 0, 0]
        """
        seen = [index for index in range(len(self.datasets)) if index != left]
        if policy is Policy.NEAREST:
            nearest = [index for index in seen if not np.isnan(self.along[index])]
            nearest.sort(key=lambda index: (abs(self.along[index] - self.along[left]), index))
            seen = nearest[: max(1, round((len(nearest) + 1) / 3))]
        return int(np.argmax(self.values[:, seen].mean(1)))

    def losses(self, policy: Policy) -> NDArray[np.float64]:
        """The accuracy that a policy loses on each of the `judged` datasets to its best method, a fraction."""
        values, judged = self.values, self.judged
        return np.array(
            [values[:, dataset].max() - values[self.chosen(policy, dataset), dataset] for dataset in judged]
        )


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
