"""Reliability curves: how often predictions of each confidence are right. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.analysis.leaderboard import Leaderboard

RELIABILITY_BINS = 10
"""Bins of equal width from confidence 0 to 1."""


@dataclass(frozen=True)
class ReliabilityBin:
    """Predictions of similar confidence.

    Args:
        predictions: their number over all runs.
        confidence, accuracy: means, 0..1, in which every run counts the same within its dataset and every dataset the
            same within the entry.
    """

    predictions: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Reliability:
    """One entry on one class split; `bins` by increasing confidence, without empty ones."""

    entry: str
    split: str
    bins: tuple[ReliabilityBin, ...]


def binned_frame(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Predictions by confidence, from the store's `outcomes_frame()`.

    The frame has one row per `run_id`, `split` and non-empty `bin` (0 to 9): the number `n` of predictions, the sum
    `confidence` of their probabilities, and the number `right` of correct ones.
    """
    logits = (outcomes["top_logit"] - outcomes["log_sum_exp"]).to_numpy(dtype=np.float64)
    confidence = np.minimum(np.exp(logits), 1.0)
    table = pd.DataFrame(
        {
            "run_id": outcomes["run_id"].astype(str),
            "split": outcomes["split"].astype(str),
            "bin": np.minimum((confidence * RELIABILITY_BINS).astype(np.int64), RELIABILITY_BINS - 1),
            "n": 1,
            "confidence": confidence,
            "right": (outcomes["label"] == outcomes["predicted"]).astype(np.int64),
        }
    )
    return table.groupby(["run_id", "split", "bin"], as_index=False).sum()


BinsByRun = Mapping[tuple[str, str], np.ndarray]
"""By run and split, the predictions, sum of confidences and correct predictions of each bin, `(bins, 3)`."""


def bins_by_run(binned: pd.DataFrame) -> BinsByRun:
    """The rows of `binned_frame`."""
    places = list(zip(binned["run_id"].tolist(), binned["split"].tolist(), strict=True))
    number = {place: i for i, place in enumerate(dict.fromkeys(places))}
    table = np.zeros((len(number), RELIABILITY_BINS, 3))
    rows = [number[place] for place in places]
    table[rows, binned["bin"].to_numpy()] = binned[["n", "confidence", "right"]].to_numpy(dtype=np.float64)
    return {place: table[i] for place, i in number.items()}


def board_reliability(board: Leaderboard, sums: BinsByRun) -> tuple[Reliability, ...]:
    """One curve per split and entry with stored predictions, over the averaged datasets."""
    found = []
    for split in board.splits:
        for entry in board.entries:
            parts = []
            for dataset in board.averaged:
                stored = board.stored_split(split, dataset)
                runs = entry.cells[dataset].run_ids if dataset in entry.cells else ()
                known = [sums[run, stored] for run in runs if (run, stored) in sums]
                parts += [(of_run, 1 / (of_run[:, 0].sum() * len(known))) for of_run in known]
            if parts:
                found.append(Reliability(entry.key, split, _bins(parts)))
    return tuple(found)


def _bins(parts: list[tuple[np.ndarray, float]]) -> tuple[ReliabilityBin, ...]:
    total = np.sum([of_run for of_run, _ in parts], axis=0)
    weighted = np.sum([weight * of_run for of_run, weight in parts], axis=0)
    return tuple(
        ReliabilityBin(int(count), float(confidence / mass), float(right / mass))
        for (count, *_), (mass, confidence, right) in zip(total, weighted, strict=True)
        if count
    )
