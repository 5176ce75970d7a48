from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fake_runner import make_predictions, make_record, make_spec

from bench.analysis.calibration import MEASURES, calibration_by_run
from bench.analysis.metrics import scores
from bench.analysis.metrics.scores import calibration_error, metrics_of_runs, run_metrics
from bench.errors import UsageError
from bench.record import Predictions, Score
from bench.results.database import fresh_store
from bench.results.shards import Shards


def scored(split: str, n: int, classes: int, seed: int) -> tuple[Score, Predictions]:
    """A score from full logits, and the predictions that a run keeps of them."""
    predictions = make_predictions(split, n=n, classes=classes, seed=seed)
    draw = np.random.default_rng(seed)
    logits = draw.normal(size=(n, classes)).astype(np.float32)  # what make_predictions draws
    names = ("accuracy", "macro_accuracy", "macro_precision", "nll", "brier", "ece")
    values = {name: getattr(scores, name)(logits, predictions.label) for name in names}
    return Score(split=split, n=n, n_classes=classes, selected_on_test=None, **values), predictions


def test_recomputed_metrics_equal_the_stored_scores(tmp_path: Path):
    shards = Shards(tmp_path)
    for seed in (1, 2):
        both = [scored(split, 200, classes, seed) for split, classes in (("base", 7), ("new", 3))]
        shards.write(make_record(make_spec(seed=seed), scores=[s for s, _ in both]), [p for _, p in both])
    store = fresh_store(tmp_path)
    found, stored = calibration_by_run(store.outcomes_frame()), store.runs_frame().set_index(["run_id", "split"])
    assert len(found) == 4
    for place, values in found.items():
        for name in MEASURES:
            assert values[name] == pytest.approx(stored.loc[place, name], abs=2e-6)


def test_metrics_of_selected_runs(tmp_path: Path):
    shards = Shards(tmp_path)
    for seed in (1, 2):
        shards.write(make_record(make_spec(seed=seed)), [make_predictions("base"), make_predictions("new")])
    wanted = make_spec(seed=2).run_id
    found = calibration_by_run(fresh_store(tmp_path).outcomes_frame([wanted]))
    assert {run_id for run_id, _ in found} == {wanted}
    assert calibration_by_run(fresh_store(tmp_path).outcomes_frame([])) == {}


def test_an_empty_split_is_refused():
    with pytest.raises(UsageError, match="at least one"):
        run_metrics({name: [] for name in ("label", "predicted", "true_logit", "top_logit", "log_sum_exp", "sum_p2")})


def test_300_equal_runs_have_equal_metrics():
    one = make_predictions("all", n=1500, classes=20)
    part = pd.DataFrame(
        {
            "split": "all",
            "label": one.label,
            "predicted": one.predicted,
            "true_logit": one.true_logit,
            "top_logit": one.top_logits[:, 0],
            "log_sum_exp": one.log_sum_exp,
            "sum_p2": one.sum_p2,
        }
    )
    outcomes = pd.concat([part.assign(run_id=f"{i:016x}") for i in range(300)], ignore_index=True)
    found = calibration_by_run(outcomes)
    assert len(found) == 300
    assert len({tuple(values.items()) for values in found.values()}) == 1


def test_the_order_of_images_does_not_matter():
    one = make_predictions("all", n=50, classes=4)
    order = np.random.default_rng(0).permutation(50)
    shuffled = replace(one, **{name: getattr(one, name)[order] for name in ("label", "predicted", "top_logits")})
    confidence = [np.exp(p.top_logits[:, 0]) for p in (one, shuffled)]
    assert calibration_error(confidence[0], one.label == one.predicted) == pytest.approx(
        calibration_error(confidence[1], shuffled.label == shuffled.predicted)
    )


def plain_ece(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Equal confidences count with their mean correctness; 15 parts of equal size."""
    means = np.array([correct[confidence == value].mean() for value in confidence])
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split((means - confidence)[order], min(15, len(order)))
    return sum(abs(float(part.sum())) for part in parts) / len(order)


@pytest.mark.parametrize("n", [1, 2, 14, 15, 16, 37, 300])
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


def test_runs_with_other_images_are_measured_apart(tmp_path: Path):
    shards = Shards(tmp_path)
    for seed, n in ((1, 20), (2, 20), (3, 33)):
        shards.write(make_record(make_spec(seed=seed)), [make_predictions(s, n=n, seed=seed) for s in ("base", "new")])
    outcomes = fresh_store(tmp_path).outcomes_frame()
    found = calibration_by_run(outcomes)
    assert sorted(values["n"] for values in found.values()) == [20.0] * 4 + [33.0] * 2
    for place, rows in outcomes.groupby(["run_id", "split"]):
        alone = run_metrics({name: rows[name].to_numpy() for name in rows.columns if name != "image"})
        assert {name: found[place][name] for name in MEASURES} == {name: alone[name] for name in MEASURES}
