"""What a tracker receives of a run are the numbers and settings of its record."""

from __future__ import annotations

from typing import Any

import pytest
from fake_runner import MOMENT, PROVENANCE, make_difficulty, make_record, make_score, make_spec

from bench.analysis import wilson
from bench.analysis.metrics.scores import harmonic_mean
from bench.extensions.trackers.tracked_run import tracked_run
from bench.record import CurvePoint, OpenScore
from bench.sweep import parse_shots


def test_settings_become_parameters_and_unset_ones_are_left_out() -> None:
    run = tracked_run(make_record(make_spec(recipe={"lr": 0.002, "betas": [0.9, 0.99], "source": None})))
    assert run.parameters == {
        "run_id": run.run_id, "method": "coop", "config.n_ctx": 4, "recipe.lr": 0.002, "recipe.betas": "0.9,0.99",
        "backbone": "ViT-demo.drawn", "dataset": "spectrum_a", "task_fingerprint": "f", "draw": "coop",
        "protocol": "base-to-new", "shots": 16, "seed": 1, "precision": "fp32",
    }  # fmt: skip
    assert run.name == "coop on spectrum_a, base-to-new, 16 shots, seed 1"
    assert run.created_at == MOMENT


def group(**changes: Any) -> str:
    return tracked_run(make_record(make_spec(**changes))).group


def test_seeds_share_a_group_and_other_settings_of_the_sweep_do_not() -> None:
    assert group() == group(seed=2, task_fingerprint="g")
    others = [{"shots": 4}, {"config": {"n_ctx": 8}}, {"class_text": "a b"}, {"epoch_selection": "oracle"}]
    assert len({group(), *(group(**changes) for changes in others)}) == 5


def test_a_group_of_runs_on_all_training_images_says_so() -> None:
    (every,) = parse_shots("all")
    assert group(shots=every, support="all").startswith("coop on spectrum_a, base-to-new, all training images, Vi")


def test_every_metric_of_every_split_is_sent() -> None:
    base, new = make_score("base", 0.8), make_score("new", 0.6)
    opened = OpenScore(base=make_score("open-base", 0.7), new=make_score("open-new", 0.5))
    record = make_record(make_spec(), scores=[base, new], open=opened, final_loss=0.25, selected_epoch=3)
    run = tracked_run(record, make_difficulty())
    for score in record.all_scores:
        for name in ("accuracy", "macro_accuracy", "macro_precision", "nll", "brier", "ece"):
            assert run.metrics[f"{score.split}/{name}"] == getattr(score, name)
        ends = run.metrics[f"{score.split}/accuracy_low"], run.metrics[f"{score.split}/accuracy_high"]
        assert ends == wilson(score.accuracy, score.n)
        assert run.metrics[f"{score.split}/images"] == score.n
    assert run.metrics["H"] == harmonic_mean(0.8, 0.6)
    assert run.metrics["open/H"] == harmonic_mean(0.7, 0.5)
    assert run.metrics["final_loss"] == 0.25
    assert run.metrics["selected_epoch"] == 3
    for name, value in record.cost.model_dump().items():
        assert run.metrics.get(f"cost/{name}") == value
    assert run.seconds == pytest.approx(0.1 + 1.0 + 0.2 + 0.5 + 0.25 + 2.0)
    assert run.metrics["cost/learning_seconds"] == pytest.approx(0.1 + 1.0 + 0.5 + 0.25)
    assert run.metrics["difficulty/base/relative_transfer_difficulty"] == 0.5
    assert "difficulty/base/undefined" not in run.metrics
    assert all(type(value) is float for value in run.metrics.values())


def test_few_shot_runs_have_no_harmonic_mean() -> None:
    run = tracked_run(make_record(make_spec(protocol="few-shot")))
    assert "all/accuracy" in run.metrics
    assert "H" not in run.metrics


def test_the_learning_curve_is_kept_with_its_epochs() -> None:
    points = [
        CurvePoint(epoch=epoch, epochs=4, steps=epoch * 5, seconds=epoch / 10, accuracy={"base": epoch / 8})
        for epoch in (1, 2, 4)
    ]
    run = tracked_run(make_record(make_spec(), curve=points))
    assert list(run.curve) == [
        (epoch, {"base/accuracy": epoch / 8, "seconds": epoch / 10}) for epoch in (1, 2, 4)
    ]  # fmt: skip


def test_tags_name_the_code_and_an_oracle() -> None:
    made = PROVENANCE.model_copy(update={"git_commit": "abc", "git_dirty": False})
    score = make_score("all", 0.5).model_copy(update={"selected_on_test": "epoch 2"})
    spec = make_spec(protocol="few-shot")
    tags = tracked_run(make_record(spec, provenance=made, scores=[score])).tags
    assert tags["etl_bench.version"] == "0"
    assert (tags["git.commit"], tags["git.dirty"]) == ("abc", "false")
    assert tags["selected_on_test"] == "all: epoch 2"
    assert "selected_on_test" not in tracked_run(make_record(spec)).tags
