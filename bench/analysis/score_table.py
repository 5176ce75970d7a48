"""Accuracies of the methods of one setting, from a leaderboard or from published tables, with what a choice needs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.analysis.dataset_difficulty import RTD, ZERO_SHOT_ACCURACY, Measured, axis_values
from bench.analysis.leaderboard import Entry, Leaderboard
from bench.analysis.measures import classes_of
from bench.analysis.method_choice import positions
from bench.analysis.score_array import ScoreArray


@dataclass(frozen=True)
class Candidate:
    """A method that may be chosen.

    Args:
        complete: whether it has every dataset and seed, and nothing in it was selected with test labels.
        trained: whether an optimiser took steps; None if unknown, like the next two.
        parameters: number of trained parameters.
        seconds: time of one run, see `EntryCost.own_seconds`.
    """

    key: str
    complete: bool
    trained: bool | None = None
    parameters: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class ScoreTable:
    """The methods of one setting with their accuracies and the difficulty of the datasets.

    Args:
        measures: as of `Leaderboard.measures`; the last one orders the methods.
        methods: best first by the last measure; incomplete methods last.
        array: the accuracies of the methods, from runs or from published tables.
        averages: by measure and method, as on the leaderboard.
        difficulty: by measure, axis (see `axis_values`) and dataset.
        zero_shot: zero-shot accuracy by dataset and class split, where it was measured.
        images: test images of zero-shot by dataset, over all class splits; empty if they are unknown.
    """

    measures: tuple[str, ...]
    methods: tuple[Candidate, ...]
    array: ScoreArray
    baseline: str | None
    averages: Mapping[str, Mapping[str, float]]
    difficulty: Mapping[str, Mapping[str, Mapping[str, float]]]
    zero_shot: Mapping[str, Mapping[str, float]]
    images: Mapping[str, int] = field(default_factory=dict)

    @property
    def datasets(self) -> tuple[str, ...]:
        """The datasets that averages include."""
        return self.array.averaged

    @property
    def empty(self) -> bool:
        """Whether no method has a score."""
        return not any(self.array.has(method.key, name) for method in self.methods for name in self.datasets)

    def method(self, key: str) -> Candidate:
        """The method with that key."""
        return next(method for method in self.methods if method.key == key)

    def mean(self, method: str, dataset: str, measure: str) -> float | None:
        """Mean over seeds, a fraction; a harmonic mean is computed for each seed first. None without scores."""
        return self.array.mean(method, dataset, measure)

    def complete_rows(self, measure: str) -> dict[str, NDArray[np.float64]]:
        """The means on all datasets, `(datasets,)`, of every complete method that has them, by its key."""
        rows = {m.key: [self.mean(m.key, name, measure) for name in self.datasets] for m in self.methods if m.complete}
        return {key: np.array(row, dtype=float) for key, row in rows.items() if None not in row}

    def ranked(self, measure: str) -> list[str]:
        """The complete methods by decreasing average; equal ones in the order of the table."""
        return sorted(self.complete_rows(measure), key=lambda key: -self.averages[measure][key])

    def places(self, measure: str) -> dict[str, float]:
        """Positions of datasets on the axis of log difficulty, where they are known."""
        rtd, split = self.difficulty[measure][RTD], classes_of(measure)
        accuracies = [self.zero_shot.get(name, {}).get(split) for name in self.datasets]
        places = positions([rtd.get(name) for name in self.datasets], accuracies)
        return {name: place for name, place in zip(self.datasets, places, strict=True) if place is not None}


def board_table(board: Leaderboard, measured: Mapping[str, Measured]) -> ScoreTable:
    """The methods of a leaderboard, with the `measured_datasets`."""
    means = {
        measure: {
            entry.key: mean
            for entry in board.entries
            if (mean := board.array.mean_over_datasets(entry.key, measure, board.convention)) is not None
        }
        for measure in board.measures
    }
    return ScoreTable(
        measures=board.measures,
        methods=tuple(_candidate(entry) for entry in board.entries),
        array=board.array,
        baseline=board.baseline,
        averages=means,
        difficulty={measure: axis_values(measured, classes_of(measure), board.averaged) for measure in board.measures},
        zero_shot={name: measured[name].by_split(ZERO_SHOT_ACCURACY) for name in board.averaged},
        images=_images(board),
    )


def _images(board: Leaderboard) -> dict[str, int]:
    """The test images of zero-shot on each dataset, over the class splits."""
    if board.baseline is None:
        return {}
    counts = {}
    for name in board.averaged:
        scores = [board.score(board.baseline, name, split) for split in board.splits]
        counts[name] = [None if score is None else score.images for score in scores]
    return {name: sum(filter(None, of_splits)) for name, of_splits in counts.items() if None not in of_splits}


def _candidate(entry: Entry) -> Candidate:
    cost = entry.cost
    if cost is None:
        return Candidate(entry.key, entry.rankable)
    return Candidate(entry.key, entry.rankable, cost.steps > 0, cost.parameters_high, cost.own_seconds)
