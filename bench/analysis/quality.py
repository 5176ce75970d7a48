"""Measures beyond accuracy: calibration, risk-coverage, worst class, headroom gain, prediction sets. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.leaderboard import HARMONIC, OPEN, Entry, Leaderboard
from bench.analysis.metrics.scores import headroom_gain, metrics_of_runs
from bench.analysis.paired_average import image_tables
from bench.analysis.scores_by_seed import Scores
from bench.analysis.statistics.correlation import kendall_tau
from bench.analysis.statistics.intervals import (
    REPLICATES,
    Covers,
    Estimate,
    MeanTest,
    grouped_t,
    mean_test_of_parts,
    student_t,
)
from bench.analysis.statistics.seed_variance import variances_of_mean


@dataclass(frozen=True)
class Quality:
    """One entry on one class split, averaged over the datasets of its board.

    Args:
        split: `base`, `new` or `all`.
        values: by measure, without measures that are undefined on every dataset. The accuracy is that of the board.
            Others have an interval over seeds and test images within their range, unless the entry is incomplete or the
            noise of the images is unknown, as that of prediction sets.
        datasets: number of datasets of each value.
    """

    entry: str
    split: str
    values: Mapping[str, Estimate]
    datasets: Mapping[str, int]
    run_ids: tuple[str, ...]


@dataclass(frozen=True)
class RankAgreement:
    """Kendall's tau-b between the order of entries by accuracy and by headroom gain, with a bootstrap interval.

    `low` and `high` are None with fewer than two datasets to resample.
    """

    split: str
    tau: float
    low: float | None
    high: float | None
    entries: int
    datasets: int


METRICS = ("accuracy", "macro_accuracy", "nll", "brier", "ece", "aurc", "worst_class_accuracy")
_VARIANCES = tuple(f"{name}_variance" for name in METRICS[2:])
"""The variances of single runs that are due to the choice of the images."""


def metrics_frame(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Every metric of every run and split.

    The frame has one row per `run_id` and `split`, with `n`, the columns of `METRICS` and the variances of
    `run_metrics`.
    """
    label = outcomes["label"].to_numpy()
    columns = {name: outcomes[name].to_numpy() for name in _COLUMNS}
    groups: dict[Any, Any] = dict(outcomes.groupby(["run_id", "split"], observed=True).indices)
    alike: dict[bytes, list[Any]] = defaultdict(list)  # most runs have the same images
    for place, at in groups.items():
        alike[label[at].tobytes()].append(place)
    rows = []
    for places in alike.values():
        at = np.stack([groups[place] for place in places])
        found = metrics_of_runs(label[at[0]], {name: values[at] for name, values in columns.items()})
        values = zip(*(found[name].tolist() for name in (*METRICS, *_VARIANCES)), strict=True)
        rows += [(*place, at.shape[1], *row) for place, row in zip(places, values, strict=True)]
    return pd.DataFrame(sorted(rows), columns=["run_id", "split", "n", *METRICS, *_VARIANCES])


_COLUMNS = ("predicted", "true_logit", "top_logit", "log_sum_exp", "sum_p2")


HEADROOM = "headroom_gain"
SET_MEASURES = ("set_size", "set_coverage")
"""Measures of prediction sets, of runs that have them."""
QUALITY_MEASURES = ("accuracy", HEADROOM, "ece", "brier", "nll", "aurc", "worst_class_accuracy", *SET_MEASURES)
_RANGES = {HEADROOM: (-math.inf, 1.0), "nll": (0.0, math.inf), "brier": (0.0, 2.0)}
"""Smallest and largest value of measures that are not within 0..1."""


def with_set_columns(metrics: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """The frame of `metrics_frame` with the columns of `SET_MEASURES`, if the frame of runs has them; NaN: no sets."""
    if not set(SET_MEASURES) <= set(runs.columns):
        return metrics
    known = runs[["run_id", "split", *SET_MEASURES]].dropna().drop_duplicates(["run_id", "split"])
    return metrics.merge(known, on=["run_id", "split"], how="left")


MetricsByRun = Mapping[tuple[str, str], Mapping[str, float]]
"""Metrics by run and split, without undefined ones."""


def metrics_by_run(metrics: pd.DataFrame) -> MetricsByRun:
    """The rows of `metrics_frame`, maybe `with_set_columns`."""
    names = [name for name in ("n", *METRICS, *_VARIANCES, *SET_MEASURES) if name in metrics]
    rows = zip(*(metrics[name].astype(float).tolist() for name in names), strict=True)
    places = zip(metrics["run_id"].tolist(), metrics["split"].tolist(), strict=True)
    return {
        place: {name: value for name, value in zip(names, row, strict=True) if value == value}
        for place, row in zip(places, rows, strict=True)
    }


_Cells = dict[str, dict[str, list[float]]]
"""By column and dataset, one value per seed, in the order of the entry's runs."""


def board_quality(board: Leaderboard, known: MetricsByRun, scores: Mapping[str, Scores]) -> tuple[Quality, ...]:
    """One row per split and entry, from the metrics of counted runs with predictions.

    `scores` are the `seed_scores` of the board. Splits of the open score are included if an entry has it.
    """
    rows = []
    for split in (*board.splits, *(HARMONIC[OPEN] if OPEN in board.measures else ())):
        baseline = next((entry for entry in board.entries if entry.key == board.baseline), None)
        zero_shot = _mean_accuracies(_cells(baseline, board, split, known, {})) if baseline else {}
        for entry in board.entries:
            cells = _cells(entry, board, split, known, zero_shot if entry is not baseline else {})
            if cells["accuracy"]:
                pair = scores[entry.key], scores[board.baseline] if board.baseline else {}
                rows.append(_row(entry, split, cells, pair))
    return tuple(rows)


def agreement(board: Leaderboard, known: MetricsByRun, *, generator: np.random.Generator) -> tuple[RankAgreement, ...]:
    """Agreement of the order by headroom gain with the order by accuracy, for each class split.

    It covers the complete entries other than the baseline, on the datasets for which all have both numbers. Splits on
    which all entries are tied are left out.
    """
    baseline = next((entry for entry in board.entries if entry.key == board.baseline), None)
    others = [entry for entry in board.entries if entry.rankable and entry is not baseline]
    if baseline is None or len(others) < 3:
        return ()
    found = []
    for split in board.splits:
        zero_shot = _mean_accuracies(_cells(baseline, board, split, known, {}))
        tables = [_cells(entry, board, split, known, zero_shot) for entry in others]
        shared = [d for d in board.averaged if all(d in table[c] for table in tables for c in ("accuracy", HEADROOM))]
        if shared:
            both = np.array([[[np.mean(t[c][d]) for d in shared] for t in tables] for c in ("accuracy", HEADROOM)])
            item = _agreement(split, both, generator)
            if np.isfinite(item.tau):
                found.append(item)
    return tuple(found)


def _agreement(split: str, both: np.ndarray, generator: np.random.Generator) -> RankAgreement:
    """From mean accuracies and headroom gains, `(2, entries, datasets)`."""
    _, n_entries, n_datasets = both.shape
    tau = float(kendall_tau(*both.mean(axis=2)))
    low = high = None
    if n_datasets > 1:
        weights = generator.multinomial(n_datasets, np.full(n_datasets, 1 / n_datasets), size=REPLICATES)
        drawn = np.einsum("red,ld->rle", both, weights)
        taus = kendall_tau(drawn[0], drawn[1])
        taus = taus[np.isfinite(taus)]  # undefined if all entries of a resample are tied
        if len(taus):
            low, high = (float(end) for end in np.quantile(taus, [0.025, 0.975]))
    return RankAgreement(split, tau, low, high, n_entries, n_datasets)


def _cells(
    entry: Entry,
    board: Leaderboard,
    split: str,
    known: MetricsByRun,
    zero_shot: Mapping[str, float],
) -> _Cells:
    columns = ("n", *QUALITY_MEASURES, *_VARIANCES)
    cells: _Cells = {column: {} for column in columns}
    for dataset, cell in entry.cells.items():
        if dataset == board.setting.source:
            continue
        stored = board.stored_split(split, dataset)
        found = [known[run, stored] for run in cell.run_ids if (run, stored) in known]
        for values in found:
            gain = headroom_gain(values["accuracy"], zero_shot[dataset]) if dataset in zero_shot else None
            for column in columns:
                if (value := gain if column == HEADROOM else values.get(column)) is not None:
                    cells[column].setdefault(dataset, []).append(value)
    return cells


def _mean_accuracies(cells: _Cells) -> dict[str, float]:
    return {dataset: float(np.mean(values)) for dataset, values in cells["accuracy"].items()}


def _row(entry: Entry, split: str, cells: _Cells, scores: tuple[Scores, Scores]) -> Quality:
    known = {column: cells[column] for column in QUALITY_MEASURES if cells[column]}
    values = {column: _average(column, by_dataset, entry, cells) for column, by_dataset in known.items()}
    if HEADROOM in values and entry.complete:
        values[HEADROOM] = _with_ends(values[HEADROOM], _gain_test(*scores, split, cells[HEADROOM]), HEADROOM)
    values["accuracy"] = entry.averages.get(split, values["accuracy"])
    return Quality(entry.key, split, values, {column: len(found) for column, found in known.items()}, entry.run_ids)


def _average(column: str, by_dataset: Mapping[str, Sequence[float]], entry: Entry, cells: _Cells) -> Estimate:
    """Mean over datasets of the means over seeds; without an interval if runs or variances are missing."""
    sizes = [len(values) for values in by_dataset.values()]
    mean = float(np.mean([np.mean(values) for values in by_dataset.values()]))
    by_seed = [float(np.mean(seed)) for seed in zip(*by_dataset.values(), strict=False)]
    std = student_t(by_seed).std if entry.complete and len(set(sizes)) == 1 else None
    found = Estimate(mean, max(sizes), std)
    variances = cells.get(f"{column}_variance", {})
    if not entry.complete or [len(variances.get(dataset, ())) for dataset in by_dataset] != sizes:
        return found
    images = [(float(np.mean(variances[dataset])), int(cells["n"][dataset][0]) - 1) for dataset in by_dataset]
    return _with_ends(found, _test(list(by_dataset.values()), images), column)


def _test(values: Sequence[Sequence[float]], images: Sequence[tuple[float, int]]) -> MeanTest:
    """The mean over datasets of values by seed, whose variances due to the images of one run are known.

    The variance between seeds contains the residual of seeds and images, and so does that of one run. Their sum is
    somewhat too large, by up to a fifth of the width where seeds agree on most images.
    """
    sizes = [len(of_dataset) for of_dataset in values]
    seeds = [
        float(np.var(of_dataset, ddof=1)) / len(of_dataset) if len(of_dataset) > 1 else 0.0 for of_dataset in values
    ]
    df = [size - 1 for size in sizes]
    found = variances_of_mean(seeds, df, [0.0] * len(df), [variance * (n + 1) for variance, n in images]).tolist()
    parts = [(variance, freedom) for variance, freedom in zip(found, df, strict=True) if freedom]
    return mean_test_of_parts(float(np.mean([np.mean(of_dataset) for of_dataset in values])), sizes, parts, images)


def _gain_test(a: Scores, zero_shot: Scores, split: str, gains: Mapping[str, Sequence[float]]) -> MeanTest | None:
    """The mean share of zero-shot's errors that are removed, on the same images; None without predictions of them."""
    tables = []
    for dataset, values in gains.items():
        runs = list({run.run_id: run for run in a.get(dataset, {}).values()}.values())
        base = next(iter(zero_shot.get(dataset, {}).values()), None)
        if base is None or len(runs) != len(values):
            return None
        errors, left = 1 - base[split], 1 - float(np.mean([run[split] for run in runs]))
        found = image_tables([(run, base) for run in runs], split, [{split: 1 / errors}, {split: left / errors**2}])
        if not found:
            return None
        tables.append([table for _, table in found])
    return grouped_t(list(gains.values()), tables)


def _with_ends(found: Estimate, test: MeanTest | None, column: str) -> Estimate:
    """The estimate with the ends of the test, within the range of the measure."""
    if test is None or test.low is None or test.high is None:
        return found
    covers = Covers.SEEDS_AND_IMAGES if test.smallest_group > 1 else Covers.IMAGES
    return replace(found, low=test.low, high=test.high, covers=covers).within(*_RANGES.get(column, (0.0, 1.0)))
