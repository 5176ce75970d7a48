"""Cost of a board's entries, as views."""

from collections import defaultdict

import numpy as np
import pandas as pd

from bench.analysis import Entry, Leaderboard, front_probability, pareto_front
from reports.views import CostPointView

SEED = 20240
"""Seed of the bootstrap, so that the same runs give the same page."""


def cost_views(board: Leaderboard, runs: pd.DataFrame) -> tuple[CostPointView, ...]:
    """Every entry with a cost; the rankable ones with their place on the Pareto front of each cost axis.

    Time and memory are left out where the entries were computed on different classes of devices.
    """
    one_device = len({entry.cost.device for entry in board.entries if entry.cost}) == 1
    shown = board.measures[-1]
    values = {entry.key: entry.average(shown, board.convention) for entry in board.entries if entry.cost}
    rankable = [entry for entry in board.entries if entry.rankable and values.get(entry.key)]
    scores = _scores(rankable, board, runs) if rankable else np.zeros((0, 1, 1, 1))
    fronts: defaultdict[str, dict[str, bool]] = defaultdict(dict)
    chances: defaultdict[str, dict[str, float]] = defaultdict(dict)
    means = [value.mean for entry in rankable if (value := values[entry.key])]
    for axis in sorted(set.intersection(*(set(_costs(entry, one_device)) for entry in rankable))) if rankable else ():
        cost = [_costs(entry, one_device)[axis] for entry in rankable]
        chance = front_probability(cost, scores, generator=np.random.default_rng(SEED))
        for entry, on_front, probability in zip(rankable, pareto_front(cost, means), chance, strict=True):
            fronts[entry.key][axis] = bool(on_front)
            chances[entry.key][axis] = float(probability)
    return tuple(
        CostPointView(
            entry=entry.key,
            value=value,
            costs=_costs(entry, one_device),
            front=fronts[entry.key],
            probability=chances[entry.key],
            spread=scores.shape[1] * scores.shape[2] > 1,
            run_ids=entry.run_ids,
        )
        for entry in board.entries
        if (value := values.get(entry.key)) is not None
    )


def _costs(entry: Entry, one_device: bool) -> dict[str, float]:
    cost = entry.cost
    assert cost is not None
    time = "test_seconds" if cost.learns_from_tests else "train_seconds"
    of_the_device = {time: cost.learning_seconds, "memory": cost.added_memory_bytes} if one_device else {}
    return {
        "parameters": float(cost.parameters_high),
        "passes": cost.image_passes + cost.prompted_image_passes + cost.text_passes,
    } | {name: float(value) for name, value in of_the_device.items() if value is not None}


def _scores(entries: list[Entry], board: Leaderboard, runs: pd.DataFrame) -> np.ndarray:
    """Accuracies `(entries, datasets, seeds, splits)`; a run without a seed is repeated for every seed."""
    columns = zip(runs["run_id"], runs["split"], runs["accuracy"], strict=True)
    known = {(str(run), str(split)): accuracy for run, split, accuracy in columns if split is not None}
    table = np.empty((len(entries), len(board.averaged), len(board.seeds), len(board.splits)))
    for i, entry in enumerate(entries):
        for j, dataset in enumerate(board.averaged):
            stored = [board.stored_split(split, dataset) for split in board.splits]
            table[i, j] = [[known[run, split] for split in stored] for run in entry.cells[dataset].run_ids]
    return table
