"""Boards of printed numbers alone; nothing of them was measured here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reports.views.trends import TrendsView


@dataclass(frozen=True)
class SourceView:
    """Where numbers were read; `number` is what rows refer to it by, `cells` how many of its numbers are shown."""

    number: int
    reported_in: str
    table: str
    url: str
    cells: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class PublishedRowView:
    """One method as one table prints it; fractions.

    Args:
        title: of the method, with the label of the table where it differs.
        values: by dataset and measure.
        averages: by measure; empty for a measure that is not printed for every dataset that the row has.
        n: datasets that it has, of `expected`.
        sources: numbers of the tables that print exactly these values.
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
        """Whether every dataset of the board is printed."""
        return self.n == self.expected


@dataclass(frozen=True)
class PublishedDatasetView:
    """A dataset of a published board."""

    name: str
    title: str


@dataclass(frozen=True)
class PublishedBoardView:
    """All printed rows of one protocol, backbone and number of shots, complete ones first.

    Args:
        baseline: title of the zero-shot row that gains refer to, None without one.
        part_trends: contrasts within one table and slopes, by measure; empty with fewer than six known datasets.
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
        """The datasets that averages are over."""
        return self.datasets

    @property
    def heading(self) -> str:
        """Protocol and shots in a few words."""
        return f"{self.protocol_title}, {self.shots} shots"

    @property
    def protocol_title(self) -> str:
        """The protocol."""
        return self.protocol.capitalize()

    def dataset_title(self, name: str | None) -> str:
        """Title of a dataset."""
        return next((dataset.title for dataset in self.datasets if dataset.name == name), str(name))
