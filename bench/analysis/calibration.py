"""Calibration error and likelihood of the entries of a board, from stored predictions. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.leaderboard import Entry, Leaderboard
from bench.analysis.metrics.scores import metrics_of_runs
from bench.analysis.statistics.crossed import crossed, mean_tests
from bench.analysis.statistics.intervals import Covers, Estimate, MeanTest, student_t

MEASURES = {"ece": (0.0, 1.0), "nll": (0.0, math.inf)}
"""The measures, with their smallest and largest value."""
_COLUMNS = ("predicted", "true_logit", "top_logit", "log_sum_exp", "sum_p2")

CalibrationByRun = Mapping[tuple[str, str], Mapping[str, float]]
"""By run and split: the number `n` of images, the measures, and their variances due to the choice of the images."""


def calibration_by_run(outcomes: pd.DataFrame) -> CalibrationByRun:
    """The calibration of every run and split, from the store's `outcomes_frame()`."""
    label = outcomes["label"].to_numpy()
    columns = {name: outcomes[name].to_numpy() for name in _COLUMNS}
    rows_of: dict[Any, Any] = dict(outcomes.groupby(["run_id", "split"], observed=True).indices)
    alike: dict[bytes, list[Any]] = defaultdict(list)  # most runs have the same images
    for place, at in rows_of.items():
        alike[label[at].tobytes()].append(place)
    calibration = {}
    for places in alike.values():
        at = np.stack([rows_of[place] for place in places])
        metrics = metrics_of_runs(label[at[0]], {name: values[at] for name, values in columns.items()})
        for number, (run_id, split) in enumerate(places):
            calibration[str(run_id), str(split)] = {"n": float(at.shape[1])} | {
                name: float(metrics[name][number])
                for measure in MEASURES
                for name in (measure, f"{measure}_variance")
                if math.isfinite(metrics[name][number])
            }
    return calibration


def board_calibration(board: Leaderboard, calibration: CalibrationByRun) -> dict[tuple[str, str], dict[str, Estimate]]:
    """By entry and split, the mean of each measure over the averaged datasets; without entries that stored nothing.

    An estimate has an interval over seeds and test images, unless the entry is incomplete.
    """
    estimates: dict[tuple[str, str], dict[str, Estimate]] = {}
    for split in board.splits:
        for entry in board.entries:
            runs = {
                dataset: [
                    calibration[run, stored]
                    for run in board.array.ids(entry.key, dataset)
                    if (run, stored) in calibration
                ]
                for dataset in board.averaged
                for stored in [board.array.stored.get((dataset, split), split)]
            }
            if any(runs.values()):
                estimates[entry.key, split] = {
                    measure: _average(measure, entry, [rows for rows in runs.values() if rows]) for measure in MEASURES
                }
    return estimates


def _average(measure: str, entry: Entry, runs: Sequence[Sequence[Mapping[str, float]]]) -> Estimate:
    """Mean over datasets of the means over seeds; without an interval if runs or variances are missing."""
    values = [[run[measure] for run in of_dataset] for of_dataset in runs]
    sizes = [len(of_dataset) for of_dataset in values]
    mean = float(np.mean([np.mean(of_dataset) for of_dataset in values]))
    by_seed = [float(np.mean(seed)) for seed in zip(*values, strict=False)]
    std = student_t(by_seed).std if entry.complete and len(set(sizes)) == 1 else None
    estimate = Estimate(mean, max(sizes), std)
    variance = f"{measure}_variance"
    if not entry.complete or not all(variance in run for of_dataset in runs for run in of_dataset):
        return estimate
    noise = [float(np.mean([run[variance] for run in of_dataset])) for of_dataset in runs]
    images = [(of_images, int(of_dataset[0]["n"])) for of_images, of_dataset in zip(noise, runs, strict=True)]
    test = _test(values, images)
    if test.low is None or test.high is None:
        return estimate
    covers = Covers.SEEDS_AND_IMAGES if test.smallest_group > 1 else Covers.IMAGES
    return replace(estimate, low=test.low, high=test.high, covers=covers).within(*MEASURES[measure])


def _test(values: Sequence[Sequence[float]], images: Sequence[tuple[float, int]]) -> MeanTest:
    """The mean over datasets of values by seed, given the variance due to the images of one run, and their number.

    The variance between seeds contains the residual of seeds and images, and so does that of one run. Their sum is
    somewhat too large, by up to a fifth of the width where seeds agree on most images.
    """
    noise = [
        crossed([of_seeds], [], [0])._replace(images=np.array([[variance]]), units=np.array([n]))
        for of_seeds, (variance, n) in zip(values, images, strict=True)
    ]
    return mean_tests(noise)[0]
