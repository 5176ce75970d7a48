"""Small views: means with intervals, costs, selection rules, measures beyond accuracy, and submissions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class Value(Protocol):
    """A mean of `n` values."""

    @property
    def mean(self) -> float:
        """The mean."""

    @property
    def n(self) -> int:
        """Number of values."""

    @property
    def half_width(self) -> float | None:
        """Half of the 95 % interval, None without an interval."""


TEST_TIME = "test-time"
"""The protocol, and the family of the methods, that learn from unlabelled test images."""
MIXED = "mixed"
"""The device of costs that were measured on several classes of devices."""


@dataclass(frozen=True)
class Cost:
    """Cost of an entry's runs: means per run, the range of the parameter count, and the maximum of the memory.

    `fits`, `candidate_evaluations` and `tuning_seconds` are the cost of selection, and `added_memory_bytes` is the peak
    above the level at the start of a run; None if some run lacks them. `device` is the class of device of all runs,
    such as `cpu` or the name of a GPU; empty if unknown. Runs on several are `MIXED`, without seconds and memory.
    `learns_from_tests`: the methods of the board learn from test images while they classify them.
    """

    parameters_low: int
    parameters_high: int
    steps: float
    image_passes: float
    prompted_image_passes: float
    text_passes: float
    prepare_seconds: float | None = None
    train_seconds: float | None = None
    eval_seconds: float | None = None
    fits: float | None = None
    candidate_evaluations: float | None = None
    tuning_seconds: float | None = None
    added_memory_bytes: int | None = None
    device: str = ""
    learns_from_tests: bool = False

    @property
    def learning_seconds(self) -> float | None:
        """Seconds of preparation and training; with evaluation where methods learn from test images."""
        parts = [self.prepare_seconds, self.train_seconds, *([self.eval_seconds] if self.learns_from_tests else [])]
        known = [part for part in parts if part is not None]
        return sum(known) if len(known) == len(parts) else None


@dataclass(frozen=True)
class NamedDataset:
    """A dataset by its name in the registry, with its title."""

    name: str
    title: str


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


@dataclass(frozen=True)
class QualityView:
    """One entry on one class split, averaged over the datasets of its board.

    Args:
        split: `base`, `new` or `all`.
        values: by measure, without measures that are undefined on every dataset. Incomplete entries have no intervals.
        datasets: number of datasets of each value.
    """

    entry: str
    split: str
    values: Mapping[str, Value]
    datasets: Mapping[str, int]
    run_ids: tuple[str, ...]


@dataclass(frozen=True)
class AgreementView:
    """Kendall's tau-b between the order of entries by accuracy and by headroom gain, with a bootstrap interval.

    `low` and `high` are None with fewer than two datasets to resample.
    """

    split: str
    tau: float
    low: float | None
    high: float | None
    entries: int
    datasets: int


@dataclass(frozen=True)
class SubmissionView:
    """One submission to a board.

    Args:
        code: an https address, or empty.
        submitted: date and time as text.
        remarks: of the submitters.
        methods: names of its methods.
        runs: its completed runs; `counted` of them are on the board, the others are runs of earlier submissions.
        refusals: reasons for a refusal; empty if it is accepted.
        checked: checks and notes, one sentence each.
        verified: number of recomputed runs and the result; empty if none was recomputed.
    """

    name: str
    who: str
    licence: str
    submitted: str
    code: str = ""
    remarks: str = ""
    methods: tuple[str, ...] = ()
    runs: int = 0
    counted: int = 0
    refusals: tuple[str, ...] = ()
    checked: tuple[str, ...] = ()
    verified: str = ""
