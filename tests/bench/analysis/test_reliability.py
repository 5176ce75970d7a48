"""Reliability curves of a board, compared with a plain computation."""

import numpy as np
import pytest
from worlds import make_world

from bench.analysis.leaderboard_building import board_settings, build_leaderboard
from bench.analysis.metrics.scores import calibration_error
from bench.analysis.reliability import binned_frame, bins_by_run, board_reliability
from bench.results.database import fresh_store

WORLD = {
    "zero_shot": {"a": {"base": 0.6, "new": 0.7}, "b": {"base": 0.8, "new": 0.5}},
    "coop": {"a": {"base": 0.8, "new": 0.6}, "b": {"base": 0.9, "new": 0.5}},
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    make_world(folder, WORLD)
    store = fresh_store(folder)
    runs, outcomes = store.runs_frame(), store.outcomes_frame()
    draw = np.random.default_rng(5)
    outcomes["top_logit"] = outcomes["log_sum_exp"] + np.log(draw.uniform(0.3, 1.0, len(outcomes)))
    outcomes.loc[0, "top_logit"] = outcomes.loc[0, "log_sum_exp"] + 1e-9  # a confidence of 1, and rounding
    (setting,) = board_settings(runs)
    return build_leaderboard(runs, setting), outcomes


def test_each_dataset_and_run_counts_the_same(world):
    board, outcomes = world
    curves = {
        (curve.entry, curve.split): curve for curve in board_reliability(board, bins_by_run(binned_frame(outcomes)))
    }
    assert curves.keys() == {(entry, split) for entry in WORLD for split in ("base", "new")}
    for (entry, split), curve in curves.items():
        mass, confidence, right, count = np.zeros((4, 10))
        for dataset in "ab":
            run_ids = board.entry(entry).cells[dataset].run_ids
            for run in run_ids:
                rows = outcomes[(outcomes["run_id"] == run) & (outcomes["split"] == split)]
                for row in rows.itertuples():
                    sure = min(float(np.exp(row.top_logit - row.log_sum_exp)), 1.0)
                    at, weight = min(int(10 * sure), 9), 1 / len(rows) / len(run_ids)
                    mass[at] += weight
                    confidence[at] += weight * sure
                    right[at] += weight * (row.label == row.predicted)
                    count[at] += 1
        known = count > 0
        assert [one.predictions for one in curve.bins] == count[known].tolist()
        assert [one.confidence for one in curve.bins] == pytest.approx(confidence[known] / mass[known])
        assert [one.accuracy for one in curve.bins] == pytest.approx(right[known] / mass[known])


def test_a_calibrated_classifier_lies_on_the_diagonal(world):
    board, outcomes = world
    draw = np.random.default_rng(3)
    many = outcomes.loc[outcomes.index.repeat(60)].reset_index(drop=True)
    sure = draw.uniform(0.05, 1.0, len(many))
    many["top_logit"] = many["log_sum_exp"] + np.log(sure)
    right = draw.random(len(many)) < sure
    many["predicted"] = np.where(right, many["label"], many["label"] + 1)
    assert calibration_error(sure, right) < 0.03
    for curve in board_reliability(board, bins_by_run(binned_frame(many))):
        for one in curve.bins:
            assert abs(one.accuracy - one.confidence) < 4 * (0.25 / one.predictions) ** 0.5


def test_without_predictions_there_is_no_curve(world):
    board, outcomes = world
    assert board_reliability(board, bins_by_run(binned_frame(outcomes.iloc[:0]))) == ()
