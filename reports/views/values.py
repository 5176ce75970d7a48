"""Means with their intervals, costs, and the shared parts of boards of runs and of published numbers."""

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
