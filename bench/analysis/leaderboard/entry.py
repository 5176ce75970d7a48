"""One entry of a leaderboard: a method with one exact config and recipe, and its cells."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.analysis.leaderboard.measures import HARMONIC, HConvention, convention_key
from bench.statistics import Estimate
from reports.views import CellView, Cost, MissingView


@dataclass(frozen=True)
class Cell(CellView):
    """One entry on one dataset.

    H and `open` are means over seeds of the value of every run. The open score is present if every run has it.
    """

    scores: Mapping[str, Estimate]


@dataclass(frozen=True)
class Entry:
    """A method with one exact config and recipe.

    Args:
        key: unique on the board, such as `coop` or `coop [n_ctx=4]`.
        label: settings that distinguish this entry from the method's other entries; empty if there is only one.
        averages: averages over datasets, by measure and, for H, by convention (`h_of_means`, `mean_of_h`). Those of the
            open score begin with `open_` and are present if every run has it. The interval is over seeds: each seed's
            average over datasets is one value. Incomplete entries have no interval.
        n: number of scored cells out of `expected`, on the datasets and seeds that the board compares.
        coverage: number of scored cells out of `planned`, on all datasets and seeds.
        rank: position by the mean among the rankable entries; None for other entries.
        oracle: whether anything was selected with test labels.
        optimism: by split, the accuracy gained by selection with test labels, mean over runs; empty for other entries,
            or if it was not recorded.
        stale: number of runs made with other code than the current, and which code changed; empty for none.
        imported: number of runs that were imported and not verified; empty for none.
    """

    key: str
    method: str
    label: str
    config: Mapping[str, Any]
    recipe: Mapping[str, Any] | None
    recipe_name: str | None
    cells: Mapping[str, Cell]
    averages: Mapping[str, Estimate]
    n: int
    expected: int
    missing: tuple[MissingView, ...]
    cost: Cost | None
    run_ids: tuple[str, ...]
    oracle: bool
    optimism: Mapping[str, float]
    stale: str
    imported: str
    coverage: int
    planned: int
    rank: int | None = None

    @property
    def complete(self) -> bool:
        """Whether every dataset x seed that the board compares is scored."""
        return self.n == self.expected

    @property
    def rankable(self) -> bool:
        """Whether the entry is complete and nothing in it was selected with test labels."""
        return self.complete and not self.oracle

    def average(self, measure: str, convention: HConvention) -> Estimate | None:
        """The average of a measure over datasets, for H and `open` by that convention."""
        return self.averages.get(convention_key(measure, convention) if measure in HARMONIC else measure)
