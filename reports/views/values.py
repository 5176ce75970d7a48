"""Small views: means with intervals, costs, selection rules, measures beyond accuracy, and submissions."""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.papers import NamedDataset

TEST_TIME = "test-time"
"""The protocol, and the family of the methods, that learn from unlabelled test images."""


class BoardHeading:
    """Heading and dataset titles of a board."""

    protocol: str
    shots: int | None
    datasets: tuple[NamedDataset, ...]
    source: str | None = None
    support: str = ""

    @property
    def averaged(self) -> tuple[NamedDataset, ...]:
        """The datasets that averages include: all but the source."""
        return tuple(dataset for dataset in self.datasets if dataset.name != self.source)

    @property
    def heading(self) -> str:
        """Protocol, source, shots and support rule. Test-time adaptation has no shots."""
        if self.protocol == TEST_TIME:
            return self.protocol_title
        shots = "all training images" if self.shots is None else f"{self.shots} shot{'s' if self.shots != 1 else ''}"
        return ", ".join(filter(None, [self.protocol_title, shots, self.support]))

    @property
    def protocol_title(self) -> str:
        """Protocol and source, if any."""
        if self.protocol == TEST_TIME:
            return "Test-time adaptation"
        source = f" from {self.dataset_title(self.source)}" if self.source else ""
        return f"{self.protocol.capitalize()}{source}"

    def dataset_title(self, name: str | None) -> str:
        """Title of a dataset by its name."""
        return next((dataset.title for dataset in self.datasets if dataset.name == name), str(name))


@dataclass(frozen=True)
class RuleCostView:
    """A rule minus selection on validation images: a mean of `n` pairs of runs, a fraction, and its 95 % interval.

    `low` and `high` are None for one seed or one dataset, or if nothing varies.
    """

    mean: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class SelectionRuleView:
    """One selection rule.

    Args:
        rule: the value of `--selection`; `title` describes it.
        oracle: whether it reads test labels.
        costs: by measure, over all methods that ran with both rules; empty if these share no seed on any dataset.
        by_method: costs of each method, by its name.
    """

    rule: str
    title: str
    oracle: bool
    costs: Mapping[str, RuleCostView]
    by_method: Mapping[str, Mapping[str, RuleCostView]]
