"""Boards of published numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reports.views.difficulty import TrendsView


@dataclass(frozen=True)
class SourceView:
    """A published table; rows refer to it by `number`, and `cells` of its numbers are shown."""

    number: int
    reported_in: str
    table: str
    url: str
    cells: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class PublishedRowView:
    """One method in one published table; fractions.

    Args:
        title: of the method, with the label in the table where it differs.
        values: by dataset and measure.
        averages: by measure, if every dataset of the row has it.
        n: datasets of the row, out of `expected`.
        sources: numbers of the tables with exactly these values.
        notes: known errors.
    """

    title: str
    family: str
    values: Mapping[str, Mapping[str, float]]
    averages: Mapping[str, float]
    n: int
    expected: int
    sources: tuple[int, ...]
    notes: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether the row has every dataset of the board."""
        return self.n == self.expected


@dataclass(frozen=True)
class PublishedDatasetView:
    """A dataset of a published board."""

    name: str
    title: str


@dataclass(frozen=True)
class PublishedBoardView:
    """All published rows of one protocol, backbone and number of shots, complete ones first.

    Args:
        baseline: title of the zero-shot row that gains refer to, if any.
        part_trends: contrasts and slopes by measure; empty below six datasets of known difficulty.
    """

    anchor: str
    backbone: str
    protocol: str
    shots: int
    measures: tuple[str, ...]
    datasets: tuple[PublishedDatasetView, ...]
    rows: tuple[PublishedRowView, ...]
    baseline: str | None
    part_trends: tuple[TrendsView, ...]

    @property
    def averaged(self) -> tuple[PublishedDatasetView, ...]:
        """The datasets that averages include."""
        return self.datasets

    @property
    def heading(self) -> str:
        """Protocol and shots."""
        return f"{self.protocol_title}, {self.shots} shot{'s' if self.shots != 1 else ''}"

    @property
    def protocol_title(self) -> str:
        """The protocol."""
        return self.protocol.capitalize()

    def dataset_title(self, name: str | None) -> str:
        """Title of a dataset."""
        return next((dataset.title for dataset in self.datasets if dataset.name == name), str(name))
