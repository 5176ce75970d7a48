"""Metrics of stored predictions, and the calibration of a board: means by hand, intervals within their ranges."""

from pathlib import Path

import numpy as np
import pytest
from fake_runner import make_predictions, make_record, make_spec
from worlds import make_world

from bench.analysis.calibration import MEASURES, board_calibration, calibration_by_run
from bench.analysis.leaderboard_building import board_settings, build_leaderboard
from bench.analysis.metrics import run_metrics, scores
from bench.analysis.metrics.scores import metrics_of_runs
from bench.errors import UsageError
from bench.record import Predictions, Score
from bench.results.database import fresh_store
from bench.results.shards import Shards
from datasets_registry import EvalProtocol


def scored(split: str, n: int, classes: int, seed: int) -> tuple[Score, Predictions]:
    """A score from full logits, and the predictions that a run keeps of them."""
    predictions = make_predictions(split, n=n, classes=classes, seed=seed)
    draw = np.random.default_rng(seed)
    logits = draw.normal(size=(n, classes)).astype(np.float32)  # what make_predictions draws
    names = ("accuracy", "macro_accuracy", "macro_precision", "nll", "brier", "ece")
    values = {name: getattr(scores, name)(logits, predictions.label) for name in names}
    return Score(split=split, n=n, n_classes=classes, selected_on_test=None, **values), predictions


def test_recomputed_metrics_equal_the_stored_scores_of_each_run_apart(tmp_path: Path):
    """The third run has other images."""
    shards, ids = Shards(tmp_path), []
    for seed, n in ((1, 200), (2, 200), (3, 33)):
        both = [scored(split, n, classes, seed) for split, classes in (("base", 7), ("new", 3))]
        record = make_record(make_spec(seed=seed), scores=[score for score, _ in both])
        shards.write(record, [predictions for _, predictions in both])
        ids.append(record.run_id)
    store = fresh_store(tmp_path)
    found, stored = calibration_by_run(store.outcomes_frame()), store.runs_frame().set_index(["run_id", "split"])
    assert sorted(values["n"] for values in found.values()) == [33.0] * 2 + [200.0] * 4
    for place, values in found.items():
        assert {name: values[name] for name in MEASURES} == pytest.approx(
            {name: stored.loc[place, name] for name in MEASURES}, abs=2e-6
        )
    assert {run_id for run_id, _ in calibration_by_run(store.outcomes_frame(ids[1:2]))} == {ids[1]}
    assert calibration_by_run(store.outcomes_frame([])) == {}


def plain_ece(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Equal confidences count with their mean correctness; 15 parts of equal size."""
    means = np.array([correct[confidence == value].mean() for value in confidence])
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split((means - confidence)[order], min(15, len(order)))
    return sum(abs(float(part.sum())) for part in parts) / len(order)


@pytest.mark.parametrize("n", [1, 14, 15, 16, 300])
@pytest.mark.parametrize("levels", [3, 1000])
def test_runs_together_have_the_metrics_of_each_alone(n: int, levels: int):
    draw = np.random.default_rng(n)
    label = draw.integers(4, size=n)
    top = draw.integers(levels, size=(6, n)) / levels  # few levels: many equal confidences
    columns = {
        "predicted": draw.integers(4, size=(6, n)),
        "true_logit": (top - draw.random((6, n))).astype(np.float32),
        "top_logit": top.astype(np.float32),
        "log_sum_exp": np.full((6, n), 1.5, dtype=np.float32),
        "sum_p2": draw.random((6, n)).astype(np.float32),
    }
    together = metrics_of_runs(label, columns)
    for run in range(6):
        row = {name: values[run] for name, values in columns.items()}
        alone = run_metrics({"label": label} | row)
        assert {name: repr(float(values[run])) for name, values in together.items()} == {
            name: repr(value) for name, value in alone.items()
        }
        confidence = np.exp(row["top_logit"].astype(float) - row["log_sum_exp"])
        correct = (row["predicted"] == label).astype(float)
        assert alone["ece"] == pytest.approx(plain_ece(confidence, correct), abs=1e-12)


def test_an_empty_split_is_refused():
    with pytest.raises(UsageError, match="at least one"):
        run_metrics({name: [] for name in ("label", "predicted", "true_logit", "top_logit", "log_sum_exp", "sum_p2")})


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
    assert board_calibration(found, {}) == {}, "no predictions"
    without = {place: {name: row[name] for name in ("n", *MEASURES)} for place, row in known.items()}
    assert board_calibration(found, without)["coop", "base"]["ece"].low is None
    gone = runs[(runs["method"] == "coop") & (runs["dataset"] == "a") & (runs["seed"] == 3)]["run_id"]
    unpredicted = {place: values for place, values in known.items() if place[0] not in set(gone)}
    assert board_calibration(found, known)["coop", "base"]["ece"].std is not None
    assert board_calibration(found, unpredicted)["coop", "base"]["ece"].std is None, "seeds that differ by dataset"
    left = runs[~runs["run_id"].isin(gone)]
    incomplete = build_leaderboard(left, board_settings(left)[0])
    assert board_calibration(incomplete, known)["coop", "base"]["ece"].low is None


def test_the_source_of_a_transfer_board_is_left_out(tmp_path):
    world = {
        "coop": {"src": {"all": 0.8, "one": 0.5, "two": 0.7}},
        "zero_shot": {"src": {"all": 0.7, "one": 0.5, "two": 0.6}},
    }
    found, known, runs = board_of(tmp_path, world, protocol=EvalProtocol.CROSS_DATASET, targets=("one", "two"))
    mine = runs[(runs["method"] == "coop") & runs["split"].isin(["one", "two"])]
    value = board_calibration(found, known)["coop", "all"]["ece"].mean
    assert value == pytest.approx(np.mean(mine.groupby("split")["ece"].mean()), abs=1e-12)
