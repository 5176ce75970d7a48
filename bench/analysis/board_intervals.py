"""Gives each score of a leaderboard its interval over seeds and test images. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bench.analysis.leaderboard import HARMONIC, Cell, Entry, HConvention, Leaderboard, convention_key
from bench.analysis.paired_average import outcomes_of, split_weights
from bench.analysis.scores_by_seed import Scores, SeedScore, seed_scores
from bench.analysis.statistics.intervals import Estimate
from bench.analysis.statistics.score_intervals import score_estimate

if TYPE_CHECKING:
    import pandas as pd


def with_intervals(board: Leaderboard, runs: pd.DataFrame) -> Leaderboard:
    """The board with the intervals of `score_estimate` on each accuracy and harmonic mean; other numbers keep theirs.

    `runs` is the store's `runs_frame(outcomes=True)`. Scores without stored predictions have no interval.
    """
    used = {run_id for entry in board.entries for run_id in entry.run_ids}
    scores = seed_scores(board, runs[runs["run_id"].isin(used)])
    return replace(board, entries=tuple(_entry(board, entry, scores[entry.key]) for entry in board.entries))


def _entry(board: Leaderboard, entry: Entry, scores: Scores) -> Entry:
    cells = {dataset: _cell(cell, list(_in_order(scores[dataset]))) for dataset, cell in entry.cells.items()}
    runs = {dataset: list(_in_order(scores[dataset])) for dataset in entry.cells if dataset in board.averaged}
    averages = {key: _average(key, found, list(runs.values())) for key, found in entry.averages.items()}
    return replace(entry, cells=cells, averages=averages)


def _in_order(by_seed: Mapping[int, SeedScore]) -> Sequence[SeedScore]:
    return [by_seed[seed] for seed in sorted(by_seed)]


def _cell(cell: Cell, runs: Sequence[SeedScore]) -> Cell:
    scores = {measure: with_interval(found, [runs], measure) for measure, found in cell.scores.items()}
    return replace(cell, scores=scores)


_CONVENTIONS = {convention_key(measure, how): (measure, how) for measure in HARMONIC for how in HConvention}
"""Measure and convention by the key of an average."""


def _average(key: str, found: Estimate, by_dataset: Sequence[Sequence[SeedScore]]) -> Estimate:
    measure, convention = _CONVENTIONS.get(key, (key, HConvention.MEAN_OF_H))
    if convention is HConvention.MEAN_OF_H:
        return with_interval(found, by_dataset, measure)
    splits = HARMONIC[measure]
    if not all(split in run for runs in by_dataset for run in runs for split in splits):
        return found
    means = {split: float(np.mean([np.mean([run[split] for run in runs]) for runs in by_dataset])) for split in splits}
    return with_interval(found, by_dataset, measure, split_weights([means], measure))


def with_interval(
    found: Estimate,
    by_dataset: Sequence[Sequence[SeedScore]],
    measure: str,
    weights: Mapping[str, float] | None = None,
) -> Estimate:
    """The estimate with its interval; itself if the measure has no images or a run has no predictions of them.

    Args:
        by_dataset: for each dataset the runs of its seeds, in order.
        measure: a split, H, `open` or all.
        weights: of the accuracies on the splits; None for those of the measure's definition on each dataset.
    """
    if not by_dataset or not all(measure in run for runs in by_dataset for run in runs):
        return found
    values, sides = [], []
    for runs in by_dataset:
        of_dataset = split_weights(runs, measure) if weights is None else weights
        side = outcomes_of(runs, of_dataset)
        if not side:
            return found
        sides.append(side)
        values.append([run[measure] if weights is None else _weighted(run, weights) for run in runs])
    seeded = any(run.seeded for runs in by_dataset for run in runs)
    tables = [[(part.weight, part.right, part.groups) for part in side] for side in sides]
    return score_estimate(values, tables, mean=found.mean, seeded=seeded)


def _weighted(run: SeedScore, weights: Mapping[str, float]) -> float:
    return sum(weight * run[split] for split, weight in weights.items())
