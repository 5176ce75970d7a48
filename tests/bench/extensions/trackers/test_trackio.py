"""trackio receives every number once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fake_runner import MOMENT, make_record, make_spec

from bench.extensions.trackers.sending import connect_tracker
from bench.extensions.trackers.tracked_run import TrackedRun, tracked_run
from bench.record import CurvePoint

CURVE = [CurvePoint(epoch=e, epochs=2, steps=e, seconds=e, accuracy={"base": e / 4}) for e in (1, 2)]


def a_run(**changes: Any) -> TrackedRun:
    return tracked_run(make_record(make_spec(), curve=CURVE, **changes))


def logged(project: str, name: str, *, installed: bool) -> list[tuple[int | None, dict[str, float]]]:
    """The step and the metrics of each row of a run."""
    if not installed:
        import trackio

        (run,) = (item for item in trackio.projects[project] if item.name == name)
        return list(run.logs)
    from trackio.sqlite_storage import SQLiteStorage

    rows = SQLiteStorage.get_logs(project, name)
    return [(row.pop("step"), {key: row[key] for key in row.keys() - {"timestamp"}}) for row in rows]


@pytest.mark.parametrize("package", ["replacement", pytest.param("installed", marks=pytest.mark.slow)])
def test_every_number_arrives_once_and_a_newer_result_replaces_it(
    package: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if package == "replacement":
        request.getfixturevalue("fake_trackers")
    else:
        monkeypatch.setenv("TRACKIO_DIR", str(tmp_path))  # read when the package is imported
        pytest.importorskip("trackio", reason="needs trackio; pip install '.[trackio]'")
    import trackio

    run, tracker = a_run(), connect_tracker("trackio", "clip")
    assert tracker.send(run)
    assert not tracker.send(run)
    (found,) = trackio.Api().runs("clip")
    assert found.name == f"{run.name} ({run.run_id})"
    assert found.config.items() >= {**run.parameters, **run.tags}.items()
    rows = logged("clip", found.name, installed=package == "installed")
    assert [(step, row["curve/base/accuracy"]) for step, row in rows[:2]] == [(1, 0.25), (2, 0.5)]
    assert [row for _, row in rows[2:]] == [run.metrics]

    assert tracker.send(a_run(created_at=MOMENT + timedelta(hours=1), final_loss=0.125))
    (found,) = trackio.Api().runs("clip")
    assert logged("clip", found.name, installed=package == "installed")[-1][1]["final_loss"] == 0.125


def test_on_a_server_a_known_name_is_not_sent_again(fake_trackers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_SPACE_ID", "lab/board")
    tracker, run = connect_tracker("trackio"), a_run()
    assert tracker.send(run)
    assert not tracker.send(run)
    import trackio

    assert len(trackio.projects["clip-etl-bench"]) == 1


def test_what_trackio_warns_of_counts_as_not_sent(fake_trackers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = connect_tracker("trackio")
    import trackio

    with monkeypatch.context() as broken:
        broken.setattr(trackio, "problem", "Could not connect to Space 'x'. Is it running?")
        with pytest.raises(OSError, match="Could not connect to Space 'x'"):
            tracker.send(a_run())
    assert tracker.send(a_run()), "the failed run counts as sent"
    with monkeypatch.context() as remote:
        remote.setattr(trackio, "problem", "trackio.init() could not create a remote client")
        remote.setattr(tracker, "_remote", True)
        with pytest.raises(OSError, match="could not create a remote client"):
            tracker.send(a_run())
