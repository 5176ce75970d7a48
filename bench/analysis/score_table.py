"""Accuracies of the methods of one setting, from a leaderboard or from published tables, with what a choice needs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.analysis.dataset_difficulty import RTD, ZERO_SHOT_ACCURACY, Measured, axis_values
from bench.analysis.leaderboard import HARMONIC, OPEN, Entry, Leaderboard, classes_of
from bench.analysis.method_choice import positions
from bench.analysis.metrics.scores import harmonic_mean
from bench.analysis.scores_by_seed import Scores


@dataclass(frozen=True)
class Candidate:
    """A method that may be chosen.

    Args:
        complete: whether it has every dataset and seed, and nothing in it was selected with test labels.
        trained: whether an optimiser took steps; None if unknown, like the next two.
        parameters: number of trained parameters.
        seconds: time of one run, see `EntryCost.learning_seconds`.
    """

    key: str
    complete: bool
    trained: bool | None = None
    parameters: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class ScoreTable:
    """Accuracies of the methods of one setting, from runs or from published tables.

    Args:
        measures: as of `Leaderboard.measures`; the last one orders the methods.
        methods: best first by the last measure; incomplete methods last.
        datasets: those that averages include.
        scores: by (method, dataset) and class split, one accuracy per seed, None for a missing seed; a single value if
            it does not depend on the seed.
        averages: by measure and method, as on the leaderboard.
        difficulty: by measure, axis (see `axis_values`) and dataset.
        zero_shot: zero-shot accuracy by dataset and class split, where it was measured.
        runs: by (method, dataset), one run id per seed like the scores; empty for published numbers.
        images: test images of zero-shot by dataset, over all class splits; empty if they are unknown.
    """

    measures: tuple[str, ...]
    methods: tuple[Candidate, ...]
    datasets: tuple[str, ...]
    baseline: str | None
    scores: Mapping[tuple[str, str], Mapping[str, tuple[float | None, ...]]]
    averages: Mapping[str, Mapping[str, float]]
    difficulty: Mapping[str, Mapping[str, Mapping[str, float]]]
    zero_shot: Mapping[str, Mapping[str, float]]
    runs: Mapping[tuple[str, str], tuple[str | None, ...]] = field(default_factory=dict)
    images: Mapping[str, int] = field(default_factory=dict)

    def method(self, key: str) -> Candidate:
        """The method with that key."""
        return next(method for method in self.methods if method.key == key)

    def mean(self, method: str, dataset: str, measure: str) -> float | None:
        """Mean over seeds, a fraction; a harmonic mean is computed for each seed first. None without scores."""
        cell = self.scores.get((method, dataset), {})
        if measure not in HARMONIC:
            values = [value for value in cell.get(measure, ()) if value is not None]
        elif all(split in cell for split in HARMONIC[measure]):  # a paper may give one of the two alone
            pairs = zip(*(cell[split] for split in HARMONIC[measure]), strict=True)
            values = [harmonic_mean(one, other) for one, other in pairs if one is not None and other is not None]
        else:
            values = []
        return float(np.mean(values)) if values else None

    def complete_rows(self, measure: str) -> dict[str, NDArray[np.float64]]:
        """The means on all datasets, `(datasets,)`, of every complete method that has them, by its key."""
        rows = {m.key: [self.mean(m.key, name, measure) for name in self.datasets] for m in self.methods if m.complete}
        return {key: np.array(row, dtype=float) for key, row in rows.items() if None not in row}

    def ranked(self, measure: str) -> list[str]:
        """The complete methods by decreasing average; equal ones in the order of the table."""
        return sorted(self.complete_rows(measure), key=lambda key: -self.averages[measure][key])

    def places(self, measure: str) -> dict[str, float]:
        """Positions of datasets on the axis of log difficulty, where they are known."""
        known, split = self.difficulty[measure][RTD], classes_of(measure)
        accuracies = [self.zero_shot.get(name, {}).get(split) for name in self.datasets]
        found = positions([known.get(name) for name in self.datasets], accuracies)
        return {name: place for name, place in zip(self.datasets, found, strict=True) if place is not None}


def board_table(board: Leaderboard, scores: Mapping[str, Scores], measured: Mapping[str, Measured]) -> ScoreTable:
    """The accuracies of a leaderboard; `scores` are its `seed_scores`."""
    by_seed: dict[tuple[str, str], dict[str, tuple[float | None, ...]]] = {}
    run_ids: dict[tuple[str, str], tuple[str | None, ...]] = {}
    opened = {entry.key for entry in board.entries if entry.average(OPEN, board.convention)}
    for key, of_entry in scores.items():
        for dataset in board.averaged:
            if found := of_entry.get(dataset):
                seeds = board.seeds if any(score.seeded for score in found.values()) else [min(found)]
                by_seed[key, dataset] = {
                    split: tuple(found[seed].values[split] if seed in found else None for seed in seeds)
                    for split in (*board.splits, *(HARMONIC[OPEN] if key in opened else ()))
                }
                run_ids[key, dataset] = tuple(found[seed].run_id if seed in found else None for seed in seeds)
    datasets = [name for name in board.datasets if name in board.averaged]
    return ScoreTable(
        measures=board.measures,
        methods=tuple(_candidate(entry) for entry in board.entries),
        datasets=tuple(datasets),
        baseline=board.baseline,
        scores=by_seed,
        averages={
            measure: {e.key: mean.mean for e in board.entries if (mean := e.average(measure, board.convention))}
            for measure in board.measures
        },
        difficulty={measure: axis_values(measured, classes_of(measure), datasets) for measure in board.measures},
        zero_shot={name: measured[name].by_split(ZERO_SHOT_ACCURACY) for name in datasets},
        runs=run_ids,
        images=_images(board),
    )


def _images(board: Leaderboard) -> dict[str, int]:
    """The test images of zero-shot on each dataset, over the class splits."""
    if board.baseline is None:
        return {}
    cells = board.entry(board.baseline).cells
    counts = {name: [cell.scores[s].images for s in board.splits if s in cell.scores] for name, cell in cells.items()}
    return {name: sum(filter(None, of_splits)) for name, of_splits in counts.items() if None not in of_splits}


def _candidate(entry: Entry) -> Candidate:
    cost = entry.cost
    if cost is None:
        return Candidate(entry.key, entry.rankable)
    return Candidate(entry.key, entry.rankable, cost.steps > 0, cost.parameters_high, cost.learning_seconds)
