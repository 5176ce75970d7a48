"""The export for bencheval: its `Evaluator` takes the rows as they are, and ranks as the leaderboard does."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pytest
from bencheval.evaluator import BenchmarkEvaluator
from worlds import make_world

from bench import UsageError, export_leaderboards, leaderboard

DATASETS = [f"d{i}" for i in range(3)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bencheval")
    rates = {
        method: {d: {"base": rate, "new": rate} for d in DATASETS}
        for method, rate in (("zero_shot", 0.5), ("coop", 0.6), ("apex", 0.8))
    }
    make_world(folder, rates, images=200)
    return folder


def test_bencheval_ranks_the_rows(folder: Path):
    text, files = export_leaderboards("bencheval", runs=folder)
    assert files == []
    rows = pd.read_csv(io.StringIO(text))
    assert list(rows) == ["method", "task", "fold", "metric_error", "time_train_s", "time_infer_s"]
    assert len(rows) == 3 * len(DATASETS) * 3, "a run without a seed is repeated for each"
    table = BenchmarkEvaluator(seed_column="fold").leaderboard(rows, include_elo=False, include_winrate=True)
    assert list(table.index) == ["apex", "coop", "zero_shot"]
    assert table["rank"].tolist() == [1, 2, 3]


def test_errors_are_those_of_the_leaderboard(folder: Path):
    rows = pd.read_csv(io.StringIO(export_leaderboards("bencheval", runs=folder)[0]))
    (board,) = leaderboard(folder).source
    for entry in board.entries:
        average = entry.average("H", board.convention)
        assert average is not None
        found = rows[rows["method"] == entry.key]
        assert 1 - found["metric_error"].mean() == pytest.approx(average.mean)


def test_one_leaderboard_is_written(folder: Path, tmp_path: Path, etl):
    runs = tmp_path / "runs"
    for protocol, splits in (("few-shot", ("all",)), ("base-to-new", ("base", "new"))):
        rates = {"coop": {"d0": dict.fromkeys(splits, 0.5)}}
        make_world(runs, rates, protocol=protocol, images=50)
    with pytest.raises(UsageError, match="writes one leaderboard, and these options select 2"):
        export_leaderboards("bencheval", runs=runs)
    code, out, _ = etl("export", "--format", "bencheval", "--runs", str(runs), "--protocol", "few-shot")
    assert (code, out.splitlines()[0].split(",")[0]) == (0, "method")
