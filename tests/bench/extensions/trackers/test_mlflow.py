"""MLflow receives every number once. The same tests pass with its real client on SQLite."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fake_runner import MOMENT, make_difficulty, make_record, make_spec

from bench.extensions.trackers.sending import Tracker, connect_tracker
from bench.extensions.trackers.tracked_run import TrackedRun, tracked_run
from bench.record import CurvePoint

CURVE = [CurvePoint(epoch=e, epochs=2, steps=e, seconds=e, accuracy={"base": e / 4}) for e in (1, 2)]

INSTALLED = (pytest.mark.slow, pytest.mark.filterwarnings("ignore"))  # MLflow's own imports warn


@pytest.fixture(params=["replacement", pytest.param("installed", marks=INSTALLED)])
def client(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    uri = f"sqlite:///{tmp_path.as_posix()}/mlflow.db"
    if request.param == "replacement":
        request.getfixturevalue("fake_trackers")
    else:
        monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        pytest.importorskip("mlflow", reason="needs mlflow; pip install '.[mlflow]'")
    from mlflow import MlflowClient

    made = MlflowClient(uri)
    made.uri = uri
    return made


def opened(client: Any) -> Tracker:
    return connect_tracker("mlflow", client.uri)


def received(client: Any) -> list[Any]:
    return list(client.search_runs([client.get_experiment_by_name("clip-etl-bench").experiment_id]))


def a_run(**changes: Any) -> TrackedRun:
    config = {f"setting_{number}": number for number in range(150)}
    return tracked_run(make_record(make_spec(config=config), curve=CURVE, **changes), make_difficulty())


def test_what_arrives_is_what_was_measured(client: Any) -> None:
    run = a_run()
    assert opened(client).send(run)
    (found,) = received(client)
    assert found.data.params == {key: str(value) for key, value in run.parameters.items()}
    assert {key: value for key, value in found.data.metrics.items() if not key.startswith("curve/")} == run.metrics
    assert found.data.tags.items() >= run.tags.items()
    assert found.data.tags["group"] == run.group
    assert (found.info.status, found.info.run_name) == ("FINISHED", run.name)
    assert found.info.end_time == MOMENT.timestamp() * 1000
    assert found.info.end_time - found.info.start_time == 4050
    history = client.get_metric_history(found.info.run_id, "curve/base/accuracy")
    assert [(item.step, item.value) for item in history] == [(1, 0.25), (2, 0.5)]


def test_a_run_is_sent_once_and_a_newer_result_replaces_it(client: Any) -> None:
    tracker, run = opened(client), a_run()
    assert tracker.send(run)
    assert not tracker.send(run)
    assert not opened(client).send(run)
    (before,) = received(client)
    newer = a_run(created_at=MOMENT + timedelta(hours=1), final_loss=0.125)
    assert tracker.send(newer)
    (after,) = received(client)
    assert after.info.run_id != before.info.run_id
    assert after.data.metrics["final_loss"] == 0.125


def test_a_run_that_was_cut_off_is_sent_again(
    fake_trackers: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    tracker = connect_tracker("mlflow")
    monkeypatch.setenv("FAKE_TRACKER_FAULT", "break")
    with pytest.raises(Exception, match="does not answer"):
        tracker.send(a_run())
    monkeypatch.delenv("FAKE_TRACKER_FAULT")
    assert tracker.send(a_run())
    from mlflow import MlflowClient

    (found,) = received(MlflowClient())
    assert found.info.status == "FINISHED"


def test_an_experiment_can_be_named(fake_trackers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "ours")
    connect_tracker("mlflow").send(a_run())
    from mlflow import MlflowClient

    assert MlflowClient().get_experiment_by_name("ours") is not None
    assert MlflowClient().get_experiment_by_name("clip-etl-bench") is None
