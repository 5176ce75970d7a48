"""One board: all results for one setting."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.analysis import Cell, Cost, ExcludedRun, MissingCell, Quality, RankAgreement, Standings, Value
from bench.papers import DatasetFacts
from reports.views.costs import AnytimeView, CostPointView
from reports.views.difficulty import TrendsView
from reports.views.values import BoardHeading, SelectionRuleView


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
        optimism: gain from test labels by split; empty if it was not recorded.
        details: config and recipe as (name, text) pairs.
        n: scored cells of `expected` cells, among the datasets and seeds that the board compares.
        coverage: scored cells of `planned` cells, among all datasets and seeds.
        stale: number of runs of other code than today's, and the changed code; empty for none.
        imported: number of runs that were imported and not verified; empty for none.
        verified: number of runs that a board has recomputed, and the result; empty for none.
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
    stale: str = ""
    imported: str = ""
    verified: str = ""
    coverage: int = 0
    planned: int = 0

    @property
    def complete(self) -> bool:
        """Whether every dataset x seed cell that the board compares is scored."""
        return self.n == self.expected

    @property
    def name(self) -> str:
        """Title and label in one line."""
        return f"{self.title} ({self.label})" if self.label else self.title


@dataclass(frozen=True)
class BoardView(BoardHeading):
    """All results for one backbone, protocol, number of shots, draw and precision.

    Args:
        measures: `("base", "new", "H")`, `("base", "new", "open", "H")` or `("all",)`.
        shots: images per class; None for all training images.
        source: the training dataset in transfer protocols; shown, but excluded from averages.
        support: what changes the draw, such as `noisy:0.2`; empty for a plain draw.
        h_convention: `h_of_means` or `mean_of_h`; None without H.
        cells: by (entry key, dataset name).
        exports: text of the table by format, to copy.
        quality: empty without stored predictions.
        anytime: None if no entry trains or curves are not shown.
        selection: the cost of each selection rule; empty if no method ran with two rules.
        selection_command: command that adds the missing runs for it; empty if no method selects anything.
    """

    anchor: str
    backbone: str
    protocol: str
    shots: int | None
    draw: str
    precision: str
    seeds: tuple[int, ...]
    measures: tuple[str, ...]
    h_convention: str | None
    n_runs: int
    baseline: str | None
    entries: tuple[EntryView, ...]
    datasets: tuple[DatasetFacts, ...]
    cells: Mapping[tuple[str, str], Cell]
    missing: tuple[MissingCell, ...]
    excluded: tuple[ExcludedRun, ...]
    standings: Standings
    part_trends: tuple[TrendsView, ...]
    exports: Mapping[str, str]
    source: str | None = None
    support: str = ""
    quality: tuple[Quality, ...] = ()
    agreement: tuple[RankAgreement, ...] = ()
    costs: tuple[CostPointView, ...] = ()
    anytime: AnytimeView | None = None
    selection: tuple[SelectionRuleView, ...] = ()
    selection_command: str = ""

    @property
    def complete(self) -> bool:
        """Whether every entry covers every dataset and seed that was planned."""
        return not self.missing

    @property
    def n_failed(self) -> int:
        """Number of cells whose run failed."""
        return sum(cell.error is not None for cell in self.missing)

    @property
    def has_intervals(self) -> bool:
        """Whether any value has an interval, which needs two seeds."""
        return any(value.half_width is not None for cell in self.cells.values() for value in cell.scores.values())

    @property
    def families(self) -> tuple[str, ...]:
        """Method families in order of appearance."""
        return tuple(dict.fromkeys(entry.family for entry in self.entries))

    def entry_name(self, key: str) -> str:
        """Name of an entry by its key."""
        return next((entry.name for entry in self.entries if entry.key == key), key)
