"""A board and its parts: settings, entries, cells, and what is missing or not counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.analysis.leaderboard.measures import ALL, H, HConvention
from bench.statistics import Estimate

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, order=True)
class Setting:
    """What one leaderboard holds fixed; runs that differ in any of these are never on one board.

    `draw` is the kind of draw: `coop` holds `coop-sorted` as well, which is what it is called for ImageNet. `source` is
    the dataset trained on where the protocol scores others, else empty.
    """

    backbone: str
    protocol: str
    shots: int
    draw: str
    precision: str
    source: str = ""


@dataclass(frozen=True)
class Cell:
    """One entry on one dataset.

    Args:
        scores: by measure (`base`, `new`, `H`, or `all`), over seeds. H is the H of the seed means, as the field
            reports it; its interval comes from the spread of the per-seed H.
        n: seeds that are scored.
        expected: seeds that should be.
        run_ids: the runs behind the scores.
        gains: score minus the baseline's on the same dataset; empty for the baseline and where it is missing.
    """

    dataset: str
    scores: Mapping[str, Estimate]
    n: int
    expected: int
    run_ids: tuple[str, ...]
    gains: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class MissingCell:
    """A dataset and seed that others on the board have and this entry lacks; `error` where its run failed."""

    entry: str
    dataset: str
    seed: int
    error: str | None = None
    run_id: str | None = None


@dataclass(frozen=True)
class ExcludedRun:
    """A run that exists but is not counted, and why."""

    run_id: str
    entry: str
    dataset: str
    seed: int
    reason: str


@dataclass(frozen=True)
class CostSummary:
    """What the entry's runs cost: means per run, except the two ends of the parameter count and the memory peak.

    `fits`, `candidate_evaluations` and `tuning_seconds` are what choosing cost, None where some run does not say.
    """

    parameters_low: int
    parameters_high: int
    prepare_seconds: float
    train_seconds: float
    eval_seconds: float
    steps: float
    image_passes: float
    prompted_image_passes: float
    text_passes: float
    peak_memory_bytes: int
    fits: float | None = None
    candidate_evaluations: float | None = None
    tuning_seconds: float | None = None


@dataclass(frozen=True)
class Entry:
    """A method with one exact config and recipe.

    Args:
        key: unique on the board, such as `coop` or `coop [n_ctx=4]`.
        label: what tells this entry from the method's other entries; empty where there is only one.
        averages: over datasets, by measure and, for H, by convention (`h_of_means`, `mean_of_h`). The interval is over
            seeds: each seed's average over datasets is one value. Incomplete entries have no interval.
        rank: position by the shown mean among those that contend, None for the others.
        oracle: whether test labels chose anything in it.
        optimism: by split, how far that choice lies above the same runs without it, mean over runs; empty for honest
            entries, and where it was not recorded.
        complete: whether every dataset x seed of the board is scored.
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
    missing: tuple[MissingCell, ...]
    cost: CostSummary | None
    run_ids: tuple[str, ...]
    rank: int | None = None
    oracle: bool = False
    optimism: Mapping[str, float] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every dataset x seed of the board is scored."""
        return self.n == self.expected

    @property
    def rankable(self) -> bool:
        """Whether it may be ranked: complete, and nothing in it was chosen with test labels."""
        return self.complete and not self.oracle

    def average(self, measure: str, convention: HConvention) -> Estimate | None:
        """The average over datasets of a measure, H by that convention."""
        return self.averages.get(convention.value if measure == H else measure)


@dataclass(frozen=True)
class Leaderboard:
    """All entries of one setting, ordered by the shown mean: those that contend, then oracles, then incomplete ones.

    The order is an order of means. Differences inside the intervals are not separable.

    Args:
        measures: `("base", "new", "H")` or `("all",)`; the last is what entries are ordered by.
        datasets: seen for any method at this setting; targets first and the source last where there is one.
        seeds: seen for any method at this setting.
        baseline: key of the zero-shot entry that gains refer to, None without one.
        excluded: runs that exist but are not counted.
    """

    setting: Setting
    convention: HConvention
    measures: tuple[str, ...]
    datasets: tuple[str, ...]
    seeds: tuple[int, ...]
    entries: tuple[Entry, ...]
    baseline: str | None
    excluded: tuple[ExcludedRun, ...]

    @property
    def averaged(self) -> tuple[str, ...]:
        """The datasets that averages are over: all but the source."""
        return tuple(dataset for dataset in self.datasets if dataset != self.setting.source)

    @property
    def splits(self) -> tuple[str, ...]:
        """The measures that runs store; H follows from them."""
        return tuple(measure for measure in self.measures if measure != H)

    def stored_split(self, split: str, dataset: str) -> str:
        """The split under which a run has its accuracy on a dataset: a target's own name, else the split's."""
        return dataset if self.setting.source and dataset != self.setting.source else split

    @property
    def complete(self) -> bool:
        """Whether every entry is complete."""
        return all(entry.complete for entry in self.entries)

    @property
    def missing(self) -> tuple[MissingCell, ...]:
        """Missing and failed cells of all entries."""
        return tuple(cell for entry in self.entries for cell in entry.missing)

    @property
    def failed(self) -> tuple[MissingCell, ...]:
        """Cells whose run failed."""
        return tuple(cell for cell in self.missing if cell.error is not None)

    def entry(self, key: str) -> Entry:
        """The entry of that key."""
        return next(entry for entry in self.entries if entry.key == key)

    def frame(self) -> pd.DataFrame:
        """One row per entry with means, intervals, coverage and cost; accuracies are fractions."""
        import pandas as pd

        return pd.DataFrame(self.rows())

    def rows(self) -> list[dict[str, Any]]:
        """One mapping per entry with means, intervals, coverage and cost; accuracies are fractions."""
        return [self._row(entry) for entry in self.entries]

    def _row(self, entry: Entry) -> dict[str, Any]:
        row: dict[str, Any] = {"rank": entry.rank, "entry": entry.key, "method": entry.method, "label": entry.label}
        for measure in self.measures:
            estimate = entry.average(measure, self.convention)
            row[measure] = estimate.mean if estimate else None
            row[f"{measure}_half_width"] = estimate.half_width if estimate else None
        if H in self.measures:
            for convention in HConvention:
                estimate = entry.average(H, convention)
                row[convention.value] = estimate.mean if estimate else None
        if self.setting.source:
            row["by_dataset"] = {name: cell.scores[ALL].mean for name, cell in entry.cells.items()}
        row |= {"n": entry.n, "expected": entry.expected, "complete": entry.complete, "oracle": entry.oracle}
        if entry.oracle:
            row["optimism"] = dict(entry.optimism)
        row["trainable_parameters"] = entry.cost.parameters_high if entry.cost else None
        row["train_seconds"] = entry.cost.train_seconds if entry.cost else None
        row["run_ids"] = list(entry.run_ids)
        return row
