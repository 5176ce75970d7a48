"""Easy and hard datasets, and inference about other datasets, with the dataset as the unit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr

from bench.analysis.statistics.hypothesis_tests import LEVEL, holm
from bench.errors import UsageError

Grouping = Callable[[Sequence[str], Mapping[str, float]], tuple[list[str], list[str]]]
"""Function of datasets and their difficulty that returns the easy and the hard datasets."""

FEWEST_FOR_THIRDS = 6
"""Fewest datasets that are divided into thirds."""


def difficulty_groups(datasets: Sequence[str], difficulty: Mapping[str, float]) -> tuple[list[str], list[str]]:
    """The thirds of lowest and highest difficulty, at most three datasets each as in APEX; empty below six datasets.

    Example:
        >>> difficulty_groups(list("abcdef"), dict(zip("abcdef", range(6))))
        (['a', 'b'], ['e', 'f'])
    """
    if len(datasets) < FEWEST_FOR_THIRDS:
        return [], []
    ordered = sorted(datasets, key=lambda dataset: (difficulty[dataset], dataset))
    size = min(3, len(ordered) // 3)
    return ordered[:size], ordered[-size:]


def page_groups(difficulty: Mapping[str, float], groups: Grouping) -> tuple[list[str], list[str], list[str]]:
    """Easy, medium and hard datasets; all empty if there are no easy and hard ones.

    Example:
        >>> page_groups(dict(zip("abcdefg", range(7))), difficulty_groups)
        (['a', 'b'], ['c', 'd', 'e'], ['f', 'g'])
    """
    ordered = sorted(difficulty, key=lambda dataset: (difficulty[dataset], dataset))
    easy, hard = groups(ordered, difficulty)
    medium = [dataset for dataset in ordered if dataset not in {*easy, *hard}] if easy or hard else []
    return easy, medium, hard


@dataclass(frozen=True)
class NamedGroups:
    """Groups named by the user. Datasets that have not been run are ignored.

    Raises:
        UsageError: if a group is empty, or a dataset is in both.
    """

    easy: tuple[str, ...]
    hard: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.easy or not self.hard:
            raise UsageError("--easy and --hard go together: name at least one dataset in each, or leave both out.")
        if both := sorted(set(self.easy) & set(self.hard)):
            raise UsageError(f"{', '.join(both)} cannot be both --easy and --hard; name it in one of them.")

    def __call__(self, datasets: Sequence[str], difficulty: Mapping[str, float]) -> tuple[list[str], list[str]]:  # noqa: ARG002
        """The named datasets among `datasets`, in the order of their names."""
        return [name for name in self.easy if name in datasets], [name for name in self.hard if name in datasets]


def chosen_groups(easy: Sequence[str], hard: Sequence[str]) -> Grouping:
    """The two named groups, or thirds by difficulty if both lists are empty. UsageError if only one list is empty."""
    return NamedGroups(tuple(easy), tuple(hard)) if easy or hard else difficulty_groups


def not_separated(values: ArrayLike) -> NDArray[np.bool_]:
    """Whether the paired difference over datasets is inconclusive, `(methods, methods)`.

    The tests of one method (a row) against all others are Holm-corrected together. With one dataset, or if a difference
    is the same on every dataset, nothing is tested, and the pair is not separated.

    Args:
        values: `(methods, datasets)`, mean over seeds, without missing values.

    Example:
        >>> not_separated([[0.9, 0.8, 0.7], [0.5, 0.41, 0.3], [0.8, 0.9, 0.7]]).tolist()
        [[False, False, True], [False, False, False], [True, False, False]]
    """
    table = np.asarray(values, dtype=float)
    methods, n = table.shape
    p = np.ones((methods, methods))
    if n > 1:
        differences = table[:, None] - table[None]
        error = differences.std(axis=2, ddof=1) / np.sqrt(n)
        tested = error > 1e-12
        np.divide(differences.mean(axis=2), error, out=p, where=tested)
        p = np.where(tested, 2 * stdtr(n - 1, -np.abs(p)), 1.0)
    off = ~np.eye(methods, dtype=bool)
    open_ = np.zeros((methods, methods), dtype=bool)
    if methods > 1:
        open_[off] = (holm(p[off].reshape(methods, methods - 1)) > LEVEL).ravel()
    return open_
