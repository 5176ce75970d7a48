"""Ranks, win rates, Elo and its bootstrap beside TabArena's `bencheval`, an independent implementation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from bencheval.evaluator import BenchmarkEvaluator

from bench.analysis.statistics.ranks import critical_difference
from bench.analysis.statistics.ratings import elo_ratings, win_rates

METHODS, DATASETS = 6, 40
NAMES = [f"m{i}" for i in range(METHODS)]


@pytest.fixture(scope="module")
def table() -> np.ndarray:
    """Scores `(datasets, methods)` with ties, in which no method wins or loses every comparison."""
    rng = np.random.default_rng(0)
    return np.round(rng.normal(size=(DATASETS, METHODS)) * 0.1 + np.linspace(0.5, 0.6, METHODS), 2)


@pytest.fixture(scope="module")
def evaluator() -> BenchmarkEvaluator:
    return BenchmarkEvaluator(columns_to_agg_extra=None)


@pytest.fixture(scope="module")
def results(table: np.ndarray, evaluator: BenchmarkEvaluator) -> pd.DataFrame:
    rows = [(name, f"d{i}", 1 - table[i, j]) for i in range(DATASETS) for j, name in enumerate(NAMES)]
    return evaluator.compute_results_per_task(pd.DataFrame(rows, columns=["method", "task", "metric_error"]))


def test_average_ranks_are_equal(table: np.ndarray, results: pd.DataFrame) -> None:
    found = critical_difference(NAMES, table)
    theirs = results.groupby("method")["rank"].mean()
    assert dict(zip(found.names, found.ranks, strict=True)) == pytest.approx(theirs.to_dict())


def test_win_rates_are_equal(table: np.ndarray, results: pd.DataFrame, evaluator: BenchmarkEvaluator) -> None:
    theirs = evaluator.compute_winrate_matrix(results).loc[NAMES, NAMES].fillna(0.5).to_numpy()
    assert win_rates(table) == pytest.approx(theirs)
    ours = {rating.name: rating.win_rate for rating in elo_ratings(NAMES, table, generator=np.random.default_rng(1))}
    assert ours == pytest.approx(evaluator.compute_winrate(results).to_dict())


def test_elo_is_equal_and_its_bootstrap_agrees_within_noise(
    table: np.ndarray, results: pd.DataFrame, evaluator: BenchmarkEvaluator
) -> None:
    """Without our prior both maximise the same likelihood. With 1,000 replicates an end is uncertain by some points."""
    theirs = evaluator.compute_elo(results, BOOTSTRAP_ROUNDS=1000, round_decimals=None)
    centred = theirs["elo"] - theirs["elo"].mean() + 1000
    ours = {item.name: item for item in elo_ratings(NAMES, table, generator=np.random.default_rng(1), prior=0)}
    for name in NAMES:
        mine = ours[name]
        assert mine.low is not None
        assert mine.high is not None
        assert mine.elo == pytest.approx(centred[name], abs=1e-4)
        assert mine.high - mine.low == pytest.approx(theirs["elo+"][name] + theirs["elo-"][name], rel=0.15)
        assert mine.high - mine.elo == pytest.approx(theirs["elo+"][name], abs=15)
