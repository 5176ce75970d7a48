"""Which datasets count as easy and which as hard: the thirds of a measured difficulty, or the ones a reader names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.errors import UsageError

Grouping = Callable[[Sequence[str], Mapping[str, float]], tuple[list[str], list[str]]]
"""(datasets, their difficulty) -> the easy and the hard ones among them."""

FEWEST = 6
"""Datasets below which thirds say nothing."""


def difficulty_groups(datasets: Sequence[str], difficulty: Mapping[str, float]) -> tuple[list[str], list[str]]:
    """The thirds of lowest and of highest difficulty, at most three each as in the paper; empty below six datasets."""
    if len(datasets) < FEWEST:
        return [], []
    ordered = sorted(datasets, key=lambda dataset: (difficulty[dataset], dataset))
    size = min(3, len(ordered) // 3)
    return ordered[:size], ordered[-size:]


@dataclass(frozen=True)
class NamedGroups:
    """Groups that a reader chose; of each, the datasets that are there.

    Raises:
        UsageError: a group without a dataset, or a dataset in both.
    """

    easy: tuple[str, ...]
    hard: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.easy or not self.hard:
            raise UsageError("--easy and --hard go together: name at least one dataset in each, or leave both out.")
        if both := sorted(set(self.easy) & set(self.hard)):
            raise UsageError(f"{', '.join(both)} cannot be both --easy and --hard; name it in one of them.")

    def __call__(self, datasets: Sequence[str], difficulty: Mapping[str, float]) -> tuple[list[str], list[str]]:  # noqa: ARG002
        """The named ones among those datasets, in the order in which they were named."""
        return [name for name in self.easy if name in datasets], [name for name in self.hard if name in datasets]


def chosen_groups(easy: Sequence[str], hard: Sequence[str]) -> Grouping:
    """The groups that two lists name, or the thirds where both are empty; raises UsageError for one list alone."""
    return NamedGroups(tuple(easy), tuple(hard)) if easy or hard else difficulty_groups
