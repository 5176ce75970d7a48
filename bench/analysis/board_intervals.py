"""Gives each score of a leaderboard its interval over seeds and test images. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from bench.analysis.leaderboard import HARMONIC, Cell, Entry, HConvention, Leaderboard, convention_key
from bench.analysis.paired_average import outcomes_of, split_weights
from bench.analysis.scores_by_seed import Scores, SeedScore
from bench.analysis.statistics.intervals import Estimate
from bench.analysis.statistics.score_intervals import ImageNoise, Sets, image_noise, score_estimate, score_estimates

Known = dict[tuple[str, ...], ImageNoise | None]
"""The noise of runs on a split, by the split and the ids of the runs."""


def with_intervals(board: Leaderboard, scores: Mapping[str, Scores]) -> Leaderboard:
    """The board with the intervals of `score_estimate` on each accuracy and harmonic mean; other numbers keep theirs.

    `scores` are the `seed_scores` of the board. Those without stored predictions keep the interval over seeds.
    """
    return replace(board, entries=tuple(_entry(board, entry, scores[entry.key]) for entry in board.entries))


def _entry(board: Leaderboard, entry: Entry, scores: Scores) -> Entry:
    known: Known = {}
    runs = {dataset: [scores[dataset][seed] for seed in sorted(scores[dataset])] for dataset in entry.cells}
    averaged = [runs[dataset] for dataset in entry.cells if dataset in board.averaged]
    averages = {key: _average(key, found, averaged, known) for key, found in entry.averages.items()}
    measures = dict.fromkeys(measure for cell in entry.cells.values() for measure in cell.scores)
    estimates = {measure: dataset_estimates(runs, measure, known) for measure in measures}
    cells = {dataset: _cell(dataset, cell, estimates) for dataset, cell in entry.cells.items()}
    return replace(entry, cells=cells, averages=averages)


def _cell(dataset: str, cell: Cell, estimates: Mapping[str, Mapping[str, Estimate]]) -> Cell:
    scores = {
        measure: replace(found, mean=old.mean) if (found := estimates[measure].get(dataset)) else old
        for measure, old in cell.scores.items()
    }
    return replace(cell, scores=scores)


def dataset_estimates(
    runs: Mapping[str, Sequence[SeedScore]], measure: str, known: Known | None = None
) -> dict[str, Estimate]:
    """The score of one entry on each dataset with its interval; without datasets that lack the measure or predictions.

    `runs` are those of its seeds by dataset, in order; `known` as for `with_interval`.
    """
    known = {} if known is None else known
    inputs = {dataset: _inputs([of_dataset], measure, None, known) for dataset, of_dataset in runs.items()}
    usable = {dataset: found for dataset, found in inputs.items() if found is not None}
    if not usable:
        return {}
    values = [part for found in usable.values() for part in found[0]]
    noise = [part for found in usable.values() for part in found[1]]
    return dict(zip(usable, score_estimates(values, noise), strict=True))


_CONVENTIONS = {convention_key(measure, how): (measure, how) for measure in HARMONIC for how in HConvention}
"""Measure and convention by the key of an average."""


def _average(key: str, found: Estimate, by_dataset: Sequence[Sequence[SeedScore]], known: Known) -> Estimate:
    measure, convention = _CONVENTIONS.get(key, (key, HConvention.MEAN_OF_H))
    if convention is HConvention.MEAN_OF_H:
        return with_interval(found, by_dataset, measure, known=known)
    splits = HARMONIC[measure]
    if not all(split in run for runs in by_dataset for run in runs for split in splits):
        return found
    means = {split: float(np.mean([np.mean([run[split] for run in runs]) for runs in by_dataset])) for split in splits}
    return with_interval(found, by_dataset, measure, split_weights([means], measure), known)


def with_interval(
    found: Estimate,
    by_dataset: Sequence[Sequence[SeedScore]],
    measure: str,
    weights: Mapping[str, float] | None = None,
    known: Known | None = None,
) -> Estimate:
    """The estimate with its interval; itself if the measure has no images or a run has no predictions of them.

    Args:
        by_dataset: for each dataset the runs of its seeds, in order.
        measure: a split, H, `open` or all.
        weights: of the accuracies on the splits; None for those of the measure's definition on each dataset.
        known: the noise of the runs on each split that is known already; what is computed is added.
    """
    inputs = _inputs(by_dataset, measure, weights, {} if known is None else known)
    return found if inputs is None else score_estimate(*inputs, mean=found.mean)


def _inputs(
    by_dataset: Sequence[Sequence[SeedScore]], measure: str, weights: Mapping[str, float] | None, known: Known
) -> tuple[list[list[float]], list[Sets]] | None:
    """The first arguments of `score_estimate`; None if a run lacks the measure or its predictions."""
    if not by_dataset or not all(measure in run for runs in by_dataset for run in runs):
        return None
    seeded = any(run.seeded for runs in by_dataset for run in runs)
    values: list[list[float]] = []
    noise: list[Sets] = []
    for runs in by_dataset:
        counted = runs if seeded else runs[:1]
        of_dataset = split_weights(runs, measure) if weights is None else weights
        parts = [(weight, _noise(counted, split, known)) for split, weight in of_dataset.items()]
        sets = [(weight, part) for weight, part in parts if part is not None]
        if len(sets) < len(parts):
            return None
        noise.append(sets)
        values.append([run[measure] if weights is None else _weighted(run, weights) for run in counted])
    return values, noise


def _noise(runs: Sequence[SeedScore], split: str, known: Known) -> ImageNoise | None:
    """The noise of some runs on a split; None without predictions of the same two or more images."""
    key = (split, *(run.run_id for run in runs))
    if key not in known:
        (outcomes,) = outcomes_of(runs, {split: 1.0}) or (None,)
        usable = outcomes is not None and outcomes.right.shape[1] > 1
        known[key] = image_noise(outcomes.right, outcomes.groups) if outcomes is not None and usable else None
    return known[key]


def _weighted(run: SeedScore, weights: Mapping[str, float]) -> float:
    return sum(weight * run[split] for split, weight in weights.items())
