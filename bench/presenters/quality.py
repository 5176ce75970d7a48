"""Calibration, headroom and cost of a board's entries, as views."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench.analysis.leaderboard import Entry, H, Leaderboard
from bench.analysis.pareto import front_probability, pareto_front
from bench.analysis.quality import agreement, quality
from bench.presenters.values import value_view
from reports.views import AgreementView, CostPointView, QualityView

if TYPE_CHECKING:
    import pandas as pd

SEED = 20240
"""Of the resampling, so that a page built twice from the same runs is the same."""


def quality_views(board: Leaderboard, metrics: pd.DataFrame) -> tuple[QualityView, ...]:
    """Every entry on every class split, from `bench.analysis.prediction_metrics.metrics_frame`."""
    return tuple(
        QualityView(
            row.entry,
            row.split,
            {column: value_view(estimate) for column, estimate in row.values.items()},
            row.datasets,
            row.run_ids,
        )
        for row in quality(board, metrics)
    )


def agreement_views(board: Leaderboard, metrics: pd.DataFrame) -> tuple[AgreementView, ...]:
    """How far headroom gain orders the entries as accuracy does."""
    found = agreement(board, metrics, generator=np.random.default_rng(SEED))
    return tuple(AgreementView(**vars(item)) for item in found)


def cost_views(board: Leaderboard, runs: pd.DataFrame) -> tuple[CostPointView, ...]:
    """Every entry with a cost, and which of those that contend are on the Pareto front of each axis."""
    shown = board.measures[-1]
    costed = [entry for entry in board.entries if entry.cost and entry.average(shown, board.convention)]
    contending = [entry for entry in costed if entry.rankable]
    scores = _scores(contending, board, runs) if contending else np.zeros((0, 1, 1, 1))
    fronts: dict[str, dict[str, bool]] = {}
    chances: dict[str, dict[str, float]] = {}
    for axis in _costs(contending[0]) if contending else ():
        cost = [_costs(entry)[axis] for entry in contending]
        mean = [entry.averages[board.convention.value if shown == H else shown].mean for entry in contending]
        chance = front_probability(cost, scores, generator=np.random.default_rng(SEED))
        for entry, on, share in zip(contending, pareto_front(cost, mean), chance, strict=True):
            fronts.setdefault(entry.key, {})[axis] = bool(on)
            chances.setdefault(entry.key, {})[axis] = float(share)
    spread = scores.shape[1] * scores.shape[2] > 1
    views = []
    for entry in costed:
        average = entry.average(shown, board.convention)
        assert average is not None
        key = entry.key
        views.append(
            CostPointView(
                key,
                value_view(average),
                _costs(entry),
                fronts.get(key, {}),
                chances.get(key, {}),
                spread,
                entry.run_ids,
            )
        )
    return tuple(views)


def _costs(entry: Entry) -> dict[str, float]:
    cost = entry.cost
    assert cost is not None
    return {
        "parameters": float(cost.parameters_high),
        "train_seconds": cost.prepare_seconds + cost.train_seconds,
        "peak_memory": float(cost.peak_memory_bytes),
        "passes": cost.image_passes + cost.prompted_image_passes + cost.text_passes,
    }


def _scores(entries: list[Entry], board: Leaderboard, runs: pd.DataFrame) -> np.ndarray:
    """Accuracies `(entries, datasets, seeds, splits)`; a run that stands for all seeds is repeated."""
    columns = zip(runs["run_id"], runs["split"], runs["accuracy"], strict=True)
    known = {(str(run), str(split)): accuracy for run, split, accuracy in columns if split is not None}
    table = np.empty((len(entries), len(board.averaged), len(board.seeds), len(board.splits)))
    for i, entry in enumerate(entries):
        for j, dataset in enumerate(board.averaged):
            stored = [board.stored_split(split, dataset) for split in board.splits]
            table[i, j] = [[known[run, split] for split in stored] for run in entry.cells[dataset].run_ids]
    return table
