"""One board: all results for one setting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reports.views.anytime import AnytimeView
from reports.views.difficulty import AxisView, PointView, TrendsView, TrendView
from reports.views.entries import CellView, DatasetView, EntryView, ExcludedRunView, MissingView
from reports.views.quality import AgreementView, CostPointView, QualityView
from reports.views.standings import StandingsView


@dataclass(frozen=True)
class BoardView:
    """All results for one backbone, protocol, number of shots, draw and precision.

    Args:
        anchor: unique on the page, usable as an id.
        measures: `("base", "new", "H")` or `("all",)`.
        source: the training dataset in transfer protocols; shown, but excluded from averages.
        h_convention: `h_of_means` or `mean_of_h`; None without H.
        n_runs: runs on the board, including the baseline.
        cells: by (entry key, dataset name).
        part_trends: contrasts and slopes by measure.
        quality: calibration and headroom by entry and class split; empty without stored predictions.
        agreement: of the orders by headroom gain and by accuracy.
        anytime: None if no entry trains or curves are not shown.
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
    excluded: tuple[ExcludedRunView, ...]
    standings: StandingsView
    part_trends: tuple[TrendsView, ...]
    source: str | None = None
    quality: tuple[QualityView, ...] = ()
    agreement: tuple[AgreementView, ...] = ()
    costs: tuple[CostPointView, ...] = ()
    anytime: AnytimeView | None = None

    @property
    def averaged(self) -> tuple[DatasetView, ...]:
        """The datasets that averages include: all but the source."""
        return tuple(dataset for dataset in self.datasets if dataset.name != self.source)

    @property
    def heading(self) -> str:
        """Protocol, source and shots."""
        return f"{self.protocol_title}, {self.shots} shot{'s' if self.shots != 1 else ''}"

    @property
    def protocol_title(self) -> str:
        """Protocol and source, if any."""
        source = f" from {self.dataset_title(self.source)}" if self.source else ""
        return f"{self.protocol.capitalize()}{source}"

    @property
    def complete(self) -> bool:
        """Whether every entry covers every dataset and seed."""
        return all(entry.complete for entry in self.entries)

    @property
    def n_failed(self) -> int:
        """Number of cells whose run failed."""
        return sum(cell.error is not None for cell in self.missing)

    @property
    def has_intervals(self) -> bool:
        """Whether any value has an interval, which needs two seeds."""
        return any(value.half_width is not None for cell in self.cells.values() for value in cell.values.values())

    @property
    def families(self) -> tuple[str, ...]:
        """Method families in order of appearance."""
        return tuple(dict.fromkeys(entry.family for entry in self.entries))

    def entry_name(self, key: str) -> str:
        """Name of an entry by its key."""
        return next((entry.name for entry in self.entries if entry.key == key), key)

    def dataset_title(self, name: str) -> str:
        """Title of a dataset by its name."""
        return next((dataset.title for dataset in self.datasets if dataset.name == name), name)
