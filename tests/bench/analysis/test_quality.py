"""Calibration and headroom of a board, compared with stored scores and with SciPy."""

import numpy as np
import pandas as pd
import pytest
from worlds import make_world

from bench.analysis.leaderboard_building import board_settings, build_leaderboard
from bench.analysis.quality import (
    _agreement,
    agreement,
    board_quality,
    metrics_by_run,
    metrics_frame,
    with_set_columns,
)
from bench.analysis.scores_by_seed import seed_scores
from bench.results.database import fresh_store
from datasets_registry import EvalProtocol

WORLD = {
    "zero_shot": {"a": {"base": 0.6, "new": 0.7}, "b": {"base": 0.8, "new": 0.5}},
    "coop": {"a": {"base": 0.8, "new": 0.6}, "b": {"base": 0.9, "new": 0.5}},
    "vpt": {"a": {"base": 0.7, "new": 0.7}, "b": {"base": 0.8, "new": 0.6}},
    "apex": {"a": {"base": 0.85, "new": 0.75}, "b": {"base": 0.85, "new": 0.7}},
}


def board_of(path, world, **options):
    make_world(path, world, **options)
    store = fresh_store(path)
    runs = store.runs_frame(outcomes=True)
    (setting,) = board_settings(runs)
    return build_leaderboard(runs, setting), metrics_frame(store.outcomes_frame()), runs


def quality(found, metrics, runs):
    return board_quality(found, metrics_by_run(metrics), seed_scores(found, runs))


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    return board_of(tmp_path_factory.mktemp("runs"), WORLD)


def row(rows, entry, split):
    return next(item for item in rows if (item.entry, item.split) == (entry, split))


def test_accuracy_and_its_interval_are_those_of_the_leaderboard(board):
    found, metrics, runs = board
    for item in quality(found, metrics, runs):
        assert item.values["accuracy"] is found.entry(item.entry).averages[item.split]
        assert item.values["accuracy"].half_width < 0.06


def test_runs_of_other_boards_change_no_score(board):
    found, _, runs = board
    others = runs.assign(run_id="f" * 16, accuracy=0.0, split=runs["split"].str.upper(), method="coop", shots=0)

    def values(frame):
        scores = seed_scores(found, frame)
        return {
            (entry, dataset, seed): (score.run_id, score["base"], score["new"], score["H"])
            for entry, by_dataset in scores.items()
            for dataset, by_seed in by_dataset.items()
            for seed, score in by_seed.items()
        }

    assert values(pd.concat([others, runs, others])) == values(runs) != {}


def test_headroom_gain_is_taken_per_dataset_and_seed_and_then_averaged(board):
    found, metrics, runs = board
    scores = runs[runs["split"] == "base"].set_index(["method", "dataset", "seed"])["accuracy"]
    per_seed = [
        np.mean([(scores["coop", d, s] - scores["zero_shot", d, 0]) / (1 - scores["zero_shot", d, 0]) for d in "ab"])
        for s in (1, 2, 3)
    ]
    value = row(quality(found, metrics, runs), "coop", "base").values["headroom_gain"]
    assert value.mean == pytest.approx(np.mean(per_seed))


def test_the_interval_of_headroom_gain_is_that_of_the_ratio_on_the_same_images(board):
    """Images are resampled with their outcomes under all seeds, and zero-shot's; the seeds hardly differ."""
    found, metrics, runs = board
    scores, draw = seed_scores(found, runs), np.random.default_rng(0)
    resampled = np.zeros(1000)
    for dataset in "ab":
        method = np.array([run.correct["base"][1] for run in scores["coop"][dataset].values()])
        zero = next(iter(scores["zero_shot"][dataset].values())).correct["base"][1]
        for i in range(len(resampled)):
            at = draw.integers(len(zero), size=len(zero))
            resampled[i] += (method[:, at].mean() - zero[at].mean()) / (1 - zero[at].mean()) / 2
    value = row(quality(found, metrics, runs), "coop", "base").values["headroom_gain"]
    assert 1.0 <= value.half_width / (1.96 * resampled.std()) < 1.7


def test_zero_shot_has_intervals_over_images_and_no_headroom_gain(board):
    found, metrics, runs = board
    values = row(quality(found, metrics, runs), "zero_shot", "new").values
    assert "headroom_gain" not in values
    assert str(values["ece"].covers) == "test images"


def test_two_seeds_give_intervals_within_the_range_of_each_measure(tmp_path):
    found, metrics, runs = board_of(tmp_path, WORLD, seeds=(1, 2), images=28)
    ends = {"nll": (0, np.inf), "brier": (0, 2), "headroom_gain": (-np.inf, 1)}
    for item in quality(found, metrics, runs):
        for name, value in item.values.items():
            low, high = ends.get(name, (0, 1))
            assert low <= value.low <= value.mean <= value.high <= high, name
            assert value.half_width > 0 or name in {"nll", "brier"}, "stand-ins have one likelihood for right answers"
            assert value.half_width < 0.4 or name == "headroom_gain", name


def test_without_images_of_runs_there_is_a_mean_and_no_interval(board):
    found, metrics, runs = board
    values = row(quality(found, metrics.drop(columns="ece_variance"), runs), "coop", "base").values
    assert values["ece"].low is None
    bare = runs.drop(columns=["images", "correct"])
    assert row(quality(found, metrics, bare), "coop", "base").values["headroom_gain"].low is None


def test_measures_of_an_incomplete_entry_have_no_interval_but_the_accuracy_of_the_board(tmp_path):
    found, metrics, runs = board_of(tmp_path, WORLD)
    gone = runs[(runs["method"] == "coop") & (runs["dataset"] == "a") & (runs["seed"] == 3)]["run_id"]
    left = runs[~runs["run_id"].isin(gone)]
    found = build_leaderboard(left, board_settings(left)[0])
    values = row(quality(found, metrics, runs), "coop", "base").values
    assert {name for name, value in values.items() if value.low is not None} <= {"accuracy"}
    assert values["accuracy"] is found.entry("coop").averages["base"]


def test_runs_without_predictions_have_no_row(board):
    found, metrics, runs = board
    assert quality(found, metrics.iloc[:0], runs) == ()


def test_headroom_gain_is_undefined_where_zero_shot_is_perfect(tmp_path):
    found, metrics, runs = board_of(tmp_path, WORLD)
    perfect = metrics.copy()
    zero_shot = found.entry("zero_shot").cells["a"].run_ids
    perfect.loc[perfect["run_id"].isin(zero_shot), "accuracy"] = 1.0
    assert row(quality(found, perfect, runs), "coop", "base").datasets["headroom_gain"] == 1


def test_targets_of_a_transfer_board_are_stored_under_their_names(tmp_path):
    world = {
        "coop": {"src": {"all": 0.8, "one": 0.5, "two": 0.7}},
        "zero_shot": {"src": {"all": 0.7, "one": 0.5, "two": 0.6}},
    }
    found, metrics, runs = board_of(tmp_path, world, protocol=EvalProtocol.CROSS_DATASET, targets=("one", "two"))
    item = row(quality(found, metrics, runs), "coop", "all")
    assert item.datasets["accuracy"] == 2, "the source is excluded"
    assert item.values["accuracy"].mean == pytest.approx(found.entry("coop").averages["all"].mean)


def test_agreement_compares_complete_entries_and_has_an_interval_over_datasets(board):
    found, metrics, _ = board
    base, new = agreement(found, metrics_by_run(metrics), generator=np.random.default_rng(0))
    assert (base.split, new.split) == ("base", "new")
    assert base.entries == 3
    assert base.low <= base.tau <= base.high


def test_agreement_needs_a_baseline_and_three_entries(tmp_path):
    found, metrics, _ = board_of(tmp_path, {name: WORLD[name] for name in ("zero_shot", "coop", "vpt")})
    assert agreement(found, metrics_by_run(metrics), generator=np.random.default_rng(0)) == ()


def test_resamples_and_splits_in_which_all_entries_tie_are_left_out():
    tied = np.full((2, 3, 4), 0.5)
    generator = np.random.default_rng(0)
    assert np.isnan(_agreement("base", tied, generator).tau)
    assert _agreement("base", tied, generator).low is None
    ordered = tied.copy()
    ordered[:, :, 0] = [[0.1, 0.2, 0.3]] * 2
    found = _agreement("base", ordered, generator)
    assert (found.tau, found.low, found.high) == (1.0, 1.0, 1.0)


def test_size_and_coverage_of_prediction_sets_are_those_of_the_runs_that_have_them(board):
    found, metrics, runs = board
    assert all("set_size" not in item.values for item in quality(found, with_set_columns(metrics, runs), runs))
    chosen = (runs["method"] == "coop") & (runs["split"] == "base")
    sizes = np.linspace(1, 2, chosen.sum())
    runs = runs.assign(set_size=np.nan, set_coverage=np.nan)
    runs.loc[chosen, "set_size"], runs.loc[chosen, "set_coverage"] = sizes, 0.95
    rows = quality(found, with_set_columns(metrics, runs), runs)
    assert [(item.entry, item.split) for item in rows if "set_size" in item.values] == [("coop", "base")]
    values = row(rows, "coop", "base").values
    assert values["set_size"].mean == pytest.approx(np.mean(sizes))
    assert values["set_coverage"].mean == pytest.approx(0.95)
    assert values["accuracy"] == row(quality(found, metrics, runs), "coop", "base").values["accuracy"]
    older = runs.drop(columns=["set_size", "set_coverage"])
    assert with_set_columns(metrics, older) is metrics
