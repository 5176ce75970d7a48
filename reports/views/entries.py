"""Entries and datasets of one board, and the cells of its table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reports.views.values import Cost, Value


@dataclass(frozen=True)
class EntryView:
    """One row of a leaderboard: a method with one config and recipe.

    Args:
        key: unique within its board.
        label: settings that distinguish it from other entries of the method, or empty.
        values: averages over datasets by measure.
        other_h: H by the convention that is not shown.
        rank: None for incomplete entries and oracles.
        oracle: whether test labels were used for selection.
        optimism: gain from that by split; empty where it was not recorded.
        details: config and recipe as (name, text) pairs.
    """

    key: str
    method: str
    title: str
    label: str
    family: str
    summary: str
    citation: str
    rank: int | None
    values: Mapping[str, Value]
    other_h: Value | None
    n: int
    expected: int
    cost: Cost | None
    details: tuple[tuple[str, str], ...]
    run_ids: tuple[str, ...]
    oracle: bool = False
    optimism: Mapping[str, float] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every dataset x seed cell of the board is scored."""
        return self.n == self.expected

    @property
    def name(self) -> str:
        """Title and label in one line."""
        return f"{self.title} ({self.label})" if self.label else self.title


@dataclass(frozen=True)
class CellView:
    """One entry on one dataset; without scores, `values` is empty."""

    entry: str
    dataset: str
    values: Mapping[str, Value]
    gains: Mapping[str, float]
    n: int
    expected: int
    run_ids: tuple[str, ...]


@dataclass(frozen=True)
class MeasureView:
    """One difficulty measure of one dataset, by class split."""

    name: str
    title: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class ExampleView:
    """One small image of a dataset, as a data URI, and its class name."""

    title: str
    uri: str


@dataclass(frozen=True)
class DatasetView:
    """Facts about a dataset, its difficulty for the backbone, and a few of its images."""

    name: str
    title: str
    summary: str
    domain: str
    licence: str
    homepage: str
    n_classes: Mapping[str, int]
    measures: tuple[MeasureView, ...]
    examples: tuple[ExampleView, ...] = ()


@dataclass(frozen=True)
class MissingView:
    """A cell without a score; `error` if its run failed."""

    entry: str
    dataset: str
    seed: int
    error: str | None
    run_id: str | None


@dataclass(frozen=True)
class ExcludedRunView:
    """A run that is excluded from the board, and why."""

    entry: str
    dataset: str
    seed: int
    run_id: str
    reason: str
