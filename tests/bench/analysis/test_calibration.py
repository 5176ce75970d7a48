"""Calibration of a board: means by hand, and intervals within the range of each measure."""

import numpy as np
import pytest
from worlds import make_world

from bench.analysis.calibration import MEASURES, board_calibration, calibration_by_run
from bench.analysis.leaderboard_building import board_settings, build_leaderboard
from bench.analysis.metrics import run_metrics
from bench.results.database import fresh_store
from datasets_registry import EvalProtocol

WORLD = {
    "zero_shot": {"a": {"base": 0.6, "new": 0.7}, "b": {"base": 0.8, "new": 0.5}},
    "coop": {"a": {"base": 0.8, "new": 0.6}, "b": {"base": 0.9, "new": 0.5}},
}


def board_of(path, world=WORLD, **options):
    """The board of a world, the calibration of its runs, and their frame with the metrics of their predictions."""
    make_world(path, world, **options)
    store = fresh_store(path)
    runs, outcomes = store.runs_frame(outcomes=True), store.outcomes_frame()
    (setting,) = board_settings(runs)
    for (run_id, split), rows in outcomes.groupby(["run_id", "split"], observed=True):
        metrics = run_metrics({name: rows[name].to_numpy() for name in rows.columns if name != "image"})
        here = (runs["run_id"] == run_id) & (runs["split"] == split)
        runs.loc[here, list(MEASURES)] = [metrics[measure] for measure in MEASURES]
    return build_leaderboard(runs, setting), calibration_by_run(outcomes), runs


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    return board_of(tmp_path_factory.mktemp("runs"))


def test_means_are_those_of_the_predictions_over_seeds_and_then_datasets(board):
    found, known, runs = board
    values = board_calibration(found, known)
    assert set(values) == {(method, split) for method in WORLD for split in ("base", "new")}
    for (method, split), by_measure in values.items():
        mine = runs[(runs["method"] == method) & (runs["split"] == split)]
        for measure in MEASURES:
            expected = mine.groupby("dataset")[measure].mean().mean()
            assert by_measure[measure].mean == pytest.approx(expected, abs=1e-12)


def test_zero_shot_has_intervals_over_images_and_trained_methods_over_seeds_too(board):
    found, known, _ = board
    values = board_calibration(found, known)
    assert str(values["zero_shot", "new"]["ece"].covers) == "test images"
    assert str(values["coop", "new"]["ece"].covers) == "seeds and test images"


def test_two_seeds_give_intervals_within_the_range_of_each_measure(tmp_path):
    found, known, _ = board_of(tmp_path, seeds=(1, 2), images=28)
    for by_measure in board_calibration(found, known).values():
        for measure, (low, high) in MEASURES.items():
            value = by_measure[measure]
            assert low <= value.low <= value.mean <= value.high <= high
            assert value.half_width < 0.4


def test_one_image_or_a_missing_run_leaves_no_interval(board):
    found, known, runs = board
    without = {place: {name: row[name] for name in ("n", *MEASURES)} for place, row in known.items()}
    assert board_calibration(found, without)["coop", "base"]["ece"].low is None
    gone = runs[(runs["method"] == "coop") & (runs["dataset"] == "a") & (runs["seed"] == 3)]["run_id"]
    left = runs[~runs["run_id"].isin(gone)]
    incomplete = build_leaderboard(left, board_settings(left)[0])
    assert board_calibration(incomplete, known)["coop", "base"]["ece"].low is None


def test_runs_without_predictions_have_no_values(board):
    found, _, _ = board
    assert board_calibration(found, {}) == {}


def test_the_source_of_a_transfer_board_is_left_out(tmp_path):
    world = {
        "coop": {"src": {"all": 0.8, "one": 0.5, "two": 0.7}},
        "zero_shot": {"src": {"all": 0.7, "one": 0.5, "two": 0.6}},
    }
    found, known, runs = board_of(tmp_path, world, protocol=EvalProtocol.CROSS_DATASET, targets=("one", "two"))
    mine = runs[(runs["method"] == "coop") & runs["split"].isin(["one", "two"])]
    value = board_calibration(found, known)["coop", "all"]["ece"].mean
    assert value == pytest.approx(np.mean(mine.groupby("split")["ece"].mean()), abs=1e-12)
