"""Everything about one setting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reports.views.anytime import AnytimeView
from reports.views.difficulty import AxisView, PointView, TrendView
from reports.views.entries import CellView, DatasetView, EntryView, MissingView, SetAsideView
from reports.views.quality import AgreementView, CostPointView, QualityView
from reports.views.standings import StandingsView
from reports.views.trends import TrendsView


@dataclass(frozen=True)
class BoardView:
    """Everything about one backbone x protocol x shots (x draw x precision).

    Args:
        anchor: unique on the page, usable as an id.
        measures: `("base", "new", "H")` or `("all",)`.
        source: the dataset trained on where the others are targets; it is shown and not averaged.
        h_convention: `h_of_means` or `mean_of_h`, the one shown; None where there is no H.
        n_runs: runs counted, the baseline's included.
        cells: by (entry key, dataset name).
        part_trends: contrasts and slopes, one for each measure.
        quality: calibration and headroom by entry and class split; empty without stored predictions.
        agreement: how far headroom orders the entries as accuracy does.
        costs: accuracy beside cost.
        anytime: accuracy over training time; None where nothing trains or nobody asked.
    """

    anchor: str
    backbone: str
    protocol: str
    shots: int
    draw: str
    precision: str
    seeds: tuple[int, ...]
    measures: tuple[str, ...]
    h_convention: str | None
    n_runs: int
    baseline: str | None
    entries: tuple[EntryView, ...]
    datasets: tuple[DatasetView, ...]
    cells: Mapping[tuple[str, str], CellView]
    axes: tuple[AxisView, ...]
    points: tuple[PointView, ...]
    trends: tuple[TrendView, ...]
    missing: tuple[MissingView, ...]
    set_aside: tuple[SetAsideView, ...]
    standings: StandingsView
    part_trends: tuple[TrendsView, ...]
    source: str | None = None
    quality: tuple[QualityView, ...] = ()
    agreement: tuple[AgreementView, ...] = ()
    costs: tuple[CostPointView, ...] = ()
    anytime: AnytimeView | None = None

    @property
    def averaged(self) -> tuple[DatasetView, ...]:
        """The datasets that averages are over: all but the source."""
        return tuple(dataset for dataset in self.datasets if dataset.name != self.source)

    @property
    def heading(self) -> str:
        """Protocol, source and shots in a few words."""
        return f"{self.protocol_title}, {self.shots} shots"

    @property
    def protocol_title(self) -> str:
        """Protocol and, where there is one, source."""
        source = f" from {self.dataset_title(self.source)}" if self.source else ""
        return f"{self.protocol.capitalize()}{source}"

    @property
    def complete(self) -> bool:
        """Whether every entry covers every dataset and seed."""
        return all(entry.complete for entry in self.entries)

    @property
    def n_failed(self) -> int:
        """Cells whose run failed."""
        return sum(cell.error is not None for cell in self.missing)

    @property
    def has_intervals(self) -> bool:
        """Whether any value of the board has an interval, which takes two seeds."""
        return any(value.half_width is not None for cell in self.cells.values() for value in cell.values.values())

    @property
    def families(self) -> tuple[str, ...]:
        """Families that occur, in order of appearance."""
        return tuple(dict.fromkeys(entry.family for entry in self.entries))

    def entry_name(self, key: str) -> str:
        """Title and label of an entry."""
        return next((entry.name for entry in self.entries if entry.key == key), key)

    def dataset_title(self, name: str) -> str:
        """Title of a dataset."""
        return next((dataset.title for dataset in self.datasets if dataset.name == name), name)
