"""Weights & Biases receives every number once, online (a replacement of its package) and offline."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fake_runner import MOMENT, make_record, make_spec
from patience import wait_until

from bench.extensions.trackers.sending import connect_tracker
from bench.extensions.trackers.tracked_run import TrackedRun, tracked_run
from bench.record import CurvePoint

CURVE = [CurvePoint(epoch=e, epochs=2, steps=e, seconds=e, accuracy={"base": e / 4}) for e in (1, 2)]


def a_run(**changes: Any) -> TrackedRun:
    return tracked_run(make_record(make_spec(dataset=changes.pop("dataset", "spectrum_a")), curve=CURVE, **changes))


def test_what_arrives_is_what_was_measured(fake_trackers: Path) -> None:
    run = a_run()
    assert connect_tracker("wandb", "lab/clip").send(run)
    import wandb

    found = wandb.server[f"lab/clip/{run.run_id}"]
    assert found.config == {**run.parameters, **run.tags}
    assert {key: value for key, value in found.summary.items() if not key.startswith("etl_bench/")} == run.metrics
    assert [(row["epoch"], row["curve/base/accuracy"]) for row in found.history] == [(1, 0.25), (2, 0.5)]
    assert found.steps == {"curve/*": "epoch"}
    assert (found.name, found.finished) == (run.name, True)


def test_a_run_is_sent_once_and_a_newer_result_replaces_it(fake_trackers: Path) -> None:
    tracker, run = connect_tracker("wandb"), a_run()
    assert tracker.send(run)
    assert not tracker.send(run)
    import wandb

    (found,) = wandb.server.values()
    assert len(found.history) == 2
    assert found.finished
    assert tracker.send(a_run(created_at=MOMENT + timedelta(hours=1), final_loss=0.125))
    assert len(wandb.server) == 1
    assert found.summary["final_loss"] == 0.125


def test_a_long_name_is_cut(fake_trackers: Path) -> None:
    run = a_run(dataset="d" * 180)
    assert connect_tracker("wandb").send(run)
    import wandb

    (found,) = wandb.server.values()
    assert found.name == run.name[:128]


def test_the_environment_names_a_project(fake_trackers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_PROJECT", "ours")
    run = a_run()
    connect_tracker("wandb").send(run)
    import wandb

    assert list(wandb.server) == [f"None/ours/{run.run_id}"]


@pytest.mark.parametrize("package", ["replacement", pytest.param("installed", marks=pytest.mark.slow)])
def test_offline_a_run_is_one_folder(
    package: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if package == "replacement":
        request.getfixturevalue("fake_trackers")
    else:
        pytest.importorskip("wandb", reason="needs wandb; pip install '.[wandb]'")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    run = a_run()
    assert connect_tracker("wandb").send(run)
    assert not connect_tracker("wandb").send(run)
    (folder,) = tmp_path.glob("wandb/offline-run-*")
    assert folder.name.endswith(run.run_id)
    if package == "installed":
        file = folder / f"run-{run.run_id}.wandb"
        # another process of wandb writes it after `finish`
        wait_until(lambda: b"cost/train_seconds" in file.read_bytes(), look=0.05)
        content = file.read_bytes()
        for text in ("config.n_ctx", "base/accuracy", "cost/train_seconds", "curve/base/accuracy", run.name):
            assert text.encode() in content
    newer = a_run(created_at=MOMENT + timedelta(hours=1))
    assert connect_tracker("wandb").send(newer)
    assert len(list(tmp_path.glob("wandb/offline-run-*"))) == 2
