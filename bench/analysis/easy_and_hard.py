"""Easy and hard datasets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.errors import UsageError

Grouping = Callable[[Sequence[str], Mapping[str, float]], tuple[list[str], list[str]]]
"""Function of datasets and their difficulty that returns the easy and the hard datasets of a claim."""

REPETITIONS = 400
"""Of a simulation of groups; its standard error is then a twentieth of that of a mean gain."""
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


def page_groups(difficulty: Mapping[str, float]) -> tuple[list[str], list[str], list[str]]:
    """Easy, medium and hard datasets; all empty if there are no easy and hard ones.

    Example:
        >>> page_groups(dict(zip("abcdefg", range(7))))
        (['a', 'b'], ['c', 'd', 'e'], ['f', 'g'])
    """
    ordered = sorted(difficulty, key=lambda dataset: (difficulty[dataset], dataset))
    easy, hard = difficulty_groups(ordered, difficulty)
    medium = [dataset for dataset in ordered if dataset not in {*easy, *hard}] if easy or hard else []
    return easy, medium, hard


def gain_by_chance(accuracy: Mapping[str, float], chance: Mapping[str, float], images: Mapping[str, int]) -> float:
    """How much chance in the zero-shot accuracy alone raises a mean gain over it on the hard datasets, a fraction.

    A dataset on which zero-shot is low by chance counts as harder, and gains more. The accuracies are drawn again
    around the measured ones, with as many test images.

    Args:
        accuracy: zero-shot accuracy by dataset, 0..1; `chance` is that of guessing, `images` the number of test images.
    """
    names = sorted(accuracy)
    true, n = np.array([accuracy[name] for name in names]), np.array([images[name] for name in names])
    hard_gains, guessing = [], np.array([chance[name] for name in names])
    for drawn in np.random.default_rng(0).binomial(n, true, (REPETITIONS, len(names))) / n:
        _, hard = difficulty_groups(names, dict(zip(names, (guessing / np.maximum(drawn, 1e-3)).tolist(), strict=True)))
        hard_gains += [float(np.mean([(true - drawn)[names.index(name)] for name in hard]))] if hard else []
    return float(np.mean(hard_gains)) if hard_gains else 0.0


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
            raise UsageError("easy and hard go together: name at least one dataset in each, or leave both out.")
        if both := sorted(set(self.easy) & set(self.hard)):
            raise UsageError(f"{', '.join(both)} cannot be both easy and hard; name it in one of them.")

    def __call__(self, datasets: Sequence[str], difficulty: Mapping[str, float]) -> tuple[list[str], list[str]]:  # noqa: ARG002
        """The named datasets among `datasets`, in the order of their names."""
        return [name for name in self.easy if name in datasets], [name for name in self.hard if name in datasets]


def chosen_groups(easy: Sequence[str], hard: Sequence[str]) -> Grouping:
    """The two named groups, or thirds by difficulty if both lists are empty. UsageError if only one list is empty."""
    return NamedGroups(tuple(easy), tuple(hard)) if easy or hard else difficulty_groups
