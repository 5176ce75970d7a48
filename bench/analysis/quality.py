"""Measures beyond accuracy: calibration, risk-coverage, worst class, headroom gain, prediction sets. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.leaderboard import HARMONIC, OPEN, Entry, Leaderboard
from bench.analysis.metrics.scores import headroom_gain, run_metrics
from bench.analysis.statistics.correlation import kendall_tau
from bench.analysis.statistics.intervals import REPLICATES, Estimate, student_t


@dataclass(frozen=True)
class Quality:
    """One entry on one class split, averaged over the datasets of its board.

    Args:
        split: `base`, `new` or `all`.
        values: by measure, without measures that are undefined on every dataset. Incomplete entries have no intervals.
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


def metrics_frame(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Every metric of every run and split.

    The frame has one row per `run_id` and `split`, with `n` and the columns of `METRICS`.
    """
    columns = {name: outcomes[name].to_numpy() for name in _COLUMNS}
    groups: dict[Any, Any] = dict(outcomes.groupby(["run_id", "split"], observed=True).indices)
    rows = [
        {"run_id": run_id, "split": split, "n": len(at)}
        | run_metrics({name: values[at] for name, values in columns.items()})
        for (run_id, split), at in sorted(groups.items())
    ]
    return pd.DataFrame(rows, columns=["run_id", "split", "n", *METRICS])


_COLUMNS = ("label", "predicted", "true_logit", "top_logit", "log_sum_exp", "sum_p2")


HEADROOM = "headroom_gain"
SET_MEASURES = ("set_size", "set_coverage")
"""Measures of prediction sets, of runs that have them."""
QUALITY_MEASURES = ("accuracy", HEADROOM, "ece", "brier", "nll", "aurc", "worst_class_accuracy", *SET_MEASURES)


def with_set_columns(metrics: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """The frame of `metrics_frame` with the columns of `SET_MEASURES`, if the frame of runs has them; NaN: no sets."""
    if not set(SET_MEASURES) <= set(runs.columns):
        return metrics
    known = runs[["run_id", "split", *SET_MEASURES]].dropna().drop_duplicates(["run_id", "split"])
    return metrics.merge(known, on=["run_id", "split"], how="left")


_Cells = dict[str, dict[str, list[float]]]
"""By column and dataset, one value per seed, in the order of the entry's runs."""


def board_quality(board: Leaderboard, metrics: pd.DataFrame) -> tuple[Quality, ...]:
    """One row per split and entry, from `metrics_frame` of counted runs with predictions, maybe `with_set_columns`.

    Splits of the open score are included if an entry has it.
    """
    known = _by_run(metrics)
    rows = []
    for split in (*board.splits, *(HARMONIC[OPEN] if OPEN in board.measures else ())):
        baseline = next((entry for entry in board.entries if entry.key == board.baseline), None)
        zero_shot = _mean_accuracies(_cells(baseline, board, split, known, {})) if baseline else {}
        for entry in board.entries:
            cells = _cells(entry, board, split, known, zero_shot if entry is not baseline else {})
            if cells["accuracy"]:
                rows.append(_row(entry, split, cells))
    return tuple(rows)


def agreement(
    board: Leaderboard, metrics: pd.DataFrame, *, generator: np.random.Generator
) -> tuple[RankAgreement, ...]:
    """Agreement of the order by headroom gain with the order by accuracy, for each class split.

    It covers the complete entries other than the baseline, on the datasets for which all have both numbers. Splits on
    which all entries are tied are left out.
    """
    known = _by_run(metrics)
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


def _by_run(metrics: pd.DataFrame) -> dict[tuple[str, str], dict[str, float]]:
    names = [name for name in (*METRICS, *SET_MEASURES) if name in metrics]
    columns = [metrics[name] for name in ("run_id", "split", *names)]
    return {
        (str(run), str(split)): {k: float(value) for k, value in zip(names, values, strict=True) if value == value}
        for run, split, *values in zip(*columns, strict=True)
    }


def _cells(
    entry: Entry,
    board: Leaderboard,
    split: str,
    known: Mapping[tuple[str, str], Mapping[str, float]],
    zero_shot: Mapping[str, float],
) -> _Cells:
    cells: _Cells = {column: {} for column in QUALITY_MEASURES}
    for dataset, cell in entry.cells.items():
        if dataset == board.setting.source:
            continue
        stored = board.stored_split(split, dataset)
        found = [known[run, stored] for run in cell.run_ids if (run, stored) in known]
        for values in found:
            gain = headroom_gain(values["accuracy"], zero_shot[dataset]) if dataset in zero_shot else None
            for column in QUALITY_MEASURES:
                if (value := gain if column == HEADROOM else values.get(column)) is not None:
                    cells[column].setdefault(dataset, []).append(value)
    return cells


def _mean_accuracies(cells: _Cells) -> dict[str, float]:
    return {dataset: float(np.mean(values)) for dataset, values in cells["accuracy"].items()}


def _row(entry: Entry, split: str, cells: _Cells) -> Quality:
    known = {column: list(by_dataset.values()) for column, by_dataset in cells.items() if by_dataset}
    values = {column: _average(found, entry) for column, found in known.items()}
    return Quality(entry.key, split, values, {column: len(found) for column, found in known.items()}, entry.run_ids)


def _average(columns: Sequence[Sequence[float]], entry: Entry) -> Estimate:
    """Mean over datasets within a seed, then over seeds; without an interval if runs are missing."""
    lengths = {len(column) for column in columns}
    if entry.complete and len(lengths) == 1:
        return student_t([float(np.mean(seed)) for seed in zip(*columns, strict=True)])
    return Estimate(float(np.mean([np.mean(column) for column in columns])), max(lengths))
