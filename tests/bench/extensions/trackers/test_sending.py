"""Runs are sent while a sweep goes on: whatever a tracker does, the sweep and its results stay as they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_runner import make_record, make_spec

import bench
from bench.extensions.trackers.sending import Sending
from bench.results.shards import Shards

Etl = Callable[..., tuple[int, str, str]]

SWEEP = [
    "run", "-m", "coop", "-d", "spectrum_basic", "-b", "ViT-tiny.random", "--shots", "1", "--seeds", "3",
    "--runner", "fake_runner", "--json",
]  # fmt: skip


def stored(runs: Path, number: int = 3) -> list[str]:
    """The ids of that many finished runs."""
    records = [make_record(make_spec(seed=seed)) for seed in range(number)]
    for record in records:
        Shards(runs).write(record)
    return [record.run_id for record in records]


def received(file: Path) -> list[str]:
    return [run["params"]["run_id"] for run in json.loads(file.read_text())["runs"].values()]


def send_all(runs: Path, run_ids: list[str], limit: float | None = None) -> tuple[Sending, list[str]]:
    """Send runs to MLflow as a sweep does; also gives what it prints about failures."""
    sending, notices = Sending(runs, "mlflow"), list[str]()
    hook = sending.after_run(notices.append, limit)
    for run_id in run_ids:
        hook(run_id)
    return sending, notices


def test_every_run_arrives_once(fake_trackers: Path, etl: Etl, tmp_path: Path) -> None:
    run_ids = stored(tmp_path / "runs")
    sending, notices = send_all(tmp_path / "runs", run_ids)
    assert (sending.sent, sending.known, notices) == (3, 0, [])
    assert received(fake_trackers) == run_ids
    sending, notices = send_all(tmp_path / "runs", run_ids)
    assert (sending.sent, sending.known, notices) == (0, 3, [])
    sent = etl("export", "send", "mlflow", "mlflow", "--runs", str(tmp_path / "runs"))
    assert sent == (0, "mlflow: 0 runs sent, 3 already there\n", "")
    assert received(fake_trackers) == run_ids


def test_a_tracker_that_refuses_is_tried_three_times_and_named_once(
    fake_trackers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_TRACKER_FAULT", "refuse")
    runs, run_ids = tmp_path / "runs", stored(tmp_path / "runs", 4)
    hook = Sending(runs, "mlflow").after_run((notices := list[str]()).append)
    for run_id in run_ids[:3]:
        hook(run_id)
    assert notices == [
        "sending a run to mlflow failed (MlflowException: the server of received.json does not answer); "
        f"`etl-bench export send mlflow --runs {runs}` sends what is missing there."
    ]
    monkeypatch.delenv("FAKE_TRACKER_FAULT")
    hook(run_ids[3])
    assert not fake_trackers.exists()


def test_a_tracker_that_hangs_is_left_behind(
    fake_trackers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_TRACKER_FAULT", "hang")
    _, (notice,) = send_all(tmp_path / "runs", stored(tmp_path / "runs"), limit=0.2)
    assert notice.startswith("sending a run to mlflow failed (no answer for 0 s); `etl-bench export send mlflow")


def test_a_run_that_cannot_be_read_is_named_and_the_others_are_sent(fake_trackers: Path, tmp_path: Path) -> None:
    runs, run_ids = tmp_path / "runs", stored(tmp_path / "runs", 2)
    sending, (notice,) = send_all(runs, [run_ids[0], "0" * 16, run_ids[1]])
    assert f"(UnknownRunError: There is no intact record of run {'0' * 16} in {runs})" in notice
    assert (sending.sent, received(fake_trackers)) == (2, run_ids)


@pytest.mark.parametrize("jobs", ["0", "2"])
def test_a_sweep_sends_its_runs_and_its_records_are_those_of_a_sweep_without(
    jobs: str, fake_trackers: Path, etl: Etl, tmp_path: Path
) -> None:
    sweep = [*SWEEP, "--jobs", jobs, "--log", "plain"]
    code, _, err = etl(*sweep, "--runs", str(tmp_path / "sent"), "--tracker", "mlflow:http://tracking")
    assert code == 0
    assert "sending" not in err
    assert etl(*sweep, "--runs", str(tmp_path / "plain"))[0] == 0
    shards, plain = Shards(tmp_path / "sent"), Shards(tmp_path / "plain")
    run_ids = [entry.run_id for entry in shards.scan()]
    assert sorted(received(fake_trackers)) == run_ids
    assert [shards.record(run_id) for run_id in run_ids] == [plain.record(run_id) for run_id in run_ids]
    (kept,) = (tmp_path / "sent" / "sweeps").glob("*.toml")
    assert 'tracker = ["mlflow:http://tracking"]' in kept.read_text()


def test_python_names_trackers_too(fake_trackers: Path, tmp_path: Path) -> None:
    grid: dict[str, Any] = {"backbone": "ViT-tiny.random", "shots": 1, "seeds": 1, "jobs": 0, "progress": "none"}
    done = bench.run("coop", "spectrum_basic", runs=tmp_path / "runs", trackers="mlflow", runner="fake_runner", **grid)
    assert received(fake_trackers) == list(done.run_ids)


def test_a_tracker_that_fails_changes_no_result_and_the_runs_can_be_sent_later(
    fake_trackers: Path, etl: Etl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = str(tmp_path / "runs")
    monkeypatch.setenv("FAKE_TRACKER_FAULT", "refuse")
    monkeypatch.setenv("FAKE_RUNNER", json.dumps({"fail": ["seed 2"]}))
    code, out, err = etl(*SWEEP, "--jobs", "0", "--runs", runs, "--tracker", "mlflow", "--log", "plain")
    assert code == 1  # for the run that failed
    assert len(json.loads(out)["failed"]) == 1
    assert err.count("sending a run to mlflow failed (MlflowException") == 1
    assert etl("export", "send", "mlflow", "--runs", runs)[0] == 1
    monkeypatch.delenv("FAKE_TRACKER_FAULT")
    code, out, _ = etl("export", "send", "mlflow", "--runs", runs, "--where", "seed = 1")
    assert (code, out) == (0, "mlflow: 1 run sent, 0 already there\n")
    code, out, _ = etl("export", "send", "mlflow", "wandb", "--runs", runs)
    assert code == 0
    assert out.splitlines() == ["mlflow: 1 run sent, 1 already there", "wandb: 2 runs sent, 0 already there"]
    assert len(received(fake_trackers)) == 2


def test_results_send_needs_runs(fake_trackers: Path, etl: Etl, tmp_path: Path) -> None:
    stored(tmp_path / "runs")
    code, _, err = etl("export", "send", "mlflow", "--runs", str(tmp_path / "runs"), "--where", "seed = 77")
    assert code == 2
    assert f"No completed run in {tmp_path / 'runs'} matches --where 'seed = 77'." in err
    assert not fake_trackers.exists()
