"""What a page shows: plain values and the ids of the runs behind each of them. Accuracies are fractions 0..1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Value:
    """A mean of `n` values; `half_width` is half of its 95 % interval, None where there is none."""

    mean: float
    n: int
    half_width: float | None = None


@dataclass(frozen=True)
class Cost:
    """What one run cost, on average; the parameter count has two ends where it depends on the dataset."""

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


@dataclass(frozen=True)
class EntryView:
    """One line of a leaderboard: a method with one config and recipe.

    Args:
        key: unique within its board.
        title: of the method.
        label: what tells it from the method's other entries, or an empty string.
        values: averages over datasets by measure.
        other_h: H by the convention that is not shown.
        rank: None where cells are missing.
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

    @property
    def complete(self) -> bool:
        """Whether every dataset x seed of the board is scored."""
        return self.n == self.expected

    @property
    def name(self) -> str:
        """Title and label in one line."""
        return f"{self.title} ({self.label})" if self.label else self.title


@dataclass(frozen=True)
class CellView:
    """One entry on one dataset; empty values where nothing is scored."""

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
    """One small picture of a dataset, as a data URI, and the name of its class."""

    title: str
    uri: str


@dataclass(frozen=True)
class DatasetView:
    """A dataset's facts, how hard it is for the backbone, and a few of its images."""

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
class PointView:
    """One entry on one dataset in one panel of the difficulty charts."""

    entry: str
    dataset: str
    panel: str
    value: Value
    gain: float | None
    difficulty: Mapping[str, float]
    run_ids: tuple[str, ...]


@dataclass(frozen=True)
class TrendView:
    """An association between difficulty and a chart's y axis for one entry, over datasets.

    Args:
        target: `value` or `gain`.
        ends: two points (x, y) of the least-squares line, None with fewer than six datasets.
        rho: Spearman's rank correlation over `n` datasets.
        beyond_chance: whether |rho| reaches the two-sided 5 % critical value.
    """

    entry: str
    panel: str
    measure: str
    target: str
    ends: tuple[tuple[float, float], tuple[float, float]] | None
    rho: float
    n: int
    beyond_chance: bool


@dataclass(frozen=True)
class AxisView:
    """A difficulty measure that can be an x axis."""

    name: str
    title: str
    log: bool


@dataclass(frozen=True)
class MissingView:
    """A cell without a score; `error` where its run failed."""

    entry: str
    dataset: str
    seed: int
    error: str | None
    run_id: str | None


@dataclass(frozen=True)
class SetAsideView:
    """A run that exists but is not counted, and why."""

    entry: str
    dataset: str
    seed: int
    run_id: str
    reason: str


@dataclass(frozen=True)
class BlockView:
    """Everything about one backbone x protocol x shots (x draw x precision).

    Args:
        anchor: unique on the page, usable as an id.
        measures: `("base", "new", "H")` or `("all",)`.
        source: the dataset trained on where the others are targets; it is shown and not averaged.
        h_convention: `h_of_means` or `mean_of_h`, the one shown; None where there is no H.
        n_runs: runs counted, the baseline's included.
        cells: by (entry key, dataset name).
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
    source: str | None = None

    @property
    def averaged(self) -> tuple[DatasetView, ...]:
        """The datasets that averages are over: all but the source."""
        return tuple(dataset for dataset in self.datasets if dataset.name != self.source)

    @property
    def heading(self) -> str:
        """Protocol, source and shots in a few words."""
        source = f" from {self.dataset_title(self.source)}" if self.source else ""
        return f"{self.protocol.capitalize()}{source}, {self.shots} shots"

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
        """Whether any value of the block has an interval, which takes two seeds."""
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


@dataclass(frozen=True)
class SiteView:
    """One page.

    Args:
        generated_at: date and time as text.
        newest_run: date and time of the newest run as text, None without runs.
        facts: provenance lines (name, text) for the footer.
    """

    title: str
    package_version: str
    generated_at: str
    newest_run: str | None
    n_runs: int
    n_failed: int
    blocks: tuple[BlockView, ...]
    facts: tuple[tuple[str, str], ...]
