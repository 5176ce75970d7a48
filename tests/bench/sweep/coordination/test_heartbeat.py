import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from left_behind import OTHER_MACHINE, dead_process, write_heartbeat
from patience import wait_until

from bench.sweep.coordination.heartbeat import (
    Heartbeat,
    LivenessMonitor,
    read_heartbeat,
    read_heartbeats,
    remove_dead_heartbeats,
)
from bench.sweep.coordination.process_identity import ProcessIdentity


def test_a_process_identity_shows_whether_it_is_alive():
    me = ProcessIdentity.current()
    assert me.alive() is True
    assert ProcessIdentity.load(json.loads(json.dumps(me.dump()))) == me
    assert dead_process().alive() is False


def test_a_reused_process_number_is_another_process():
    me = ProcessIdentity.current()
    if not me.started:
        pytest.skip("needs /proc")
    assert replace(me, started="1").alive() is False


def test_a_zombie_process_is_dead():
    if not ProcessIdentity.current().started:
        pytest.skip("needs /proc")
    child = subprocess.Popen([sys.executable, "-c", ""])
    number = replace(ProcessIdentity.current(), pid=child.pid, started="")
    wait_until(lambda: number.alive() is False, "the process is a zombie")
    child.wait()


@pytest.mark.parametrize("change", [{"host": "b"}, {"boot": "b"}, {"namespace": "b"}])
def test_processes_of_other_machines_are_not_visible(change: dict[str, str]):
    """A container numbers its own processes, and a restarted machine begins at 1 again."""
    assert replace(ProcessIdentity.current(), **change).alive() is None


def test_a_heartbeat_reports_facts_beats_and_ends(tmp_path: Path):
    with Heartbeat(tmp_path, "worker", {"task": None}, beat=0.01) as heartbeat:
        heartbeat.update(task="coop on eurosat")
        first = read_heartbeat(tmp_path, heartbeat.name)
        assert first is not None
        assert (first.kind, first.process, first.facts) == (
            "worker",
            ProcessIdentity.current(),
            {"task": "coop on eurosat"},
        )

        def beaten() -> bool:
            now = read_heartbeat(tmp_path, heartbeat.name)
            return now is not None and now.beat > first.beat

        wait_until(beaten, "a second beat")
    assert read_heartbeats(tmp_path) == []


def test_a_heartbeat_in_a_folder_that_cannot_be_written_is_an_error_at_once(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="live"), Heartbeat(tmp_path / "file", "sweep"):
        pass


def test_beats_that_cannot_be_written_do_not_end_the_work(tmp_path: Path, monkeypatch):
    def full(*_args: object, **_kwargs: object) -> None:
        raise OSError(28, "No space left")

    with Heartbeat(tmp_path, "sweep") as heartbeat:
        monkeypatch.setattr("bench.sweep.coordination.heartbeat.write_atomically", full)
        heartbeat.update(done=3)


def test_heartbeats_of_dead_processes_are_ignored_and_removed(tmp_path: Path):
    write_heartbeat(tmp_path, "dead", dead_process())
    write_heartbeat(tmp_path, "far", OTHER_MACHINE)
    (tmp_path / "live" / "torn.json").write_text('{"kind": "wor')
    assert [state.name for state in read_heartbeats(tmp_path)] == ["far"]
    remove_dead_heartbeats(tmp_path)
    assert sorted(path.stem for path in (tmp_path / "live").glob("*.json")) == ["far", "torn"]


def test_a_heartbeat_of_another_machine_is_removed_once_it_is_an_hour_older_than_the_newest(tmp_path: Path):
    write_heartbeat(tmp_path, "far", OTHER_MACHINE)
    written = (tmp_path / "live" / "far.json").stat().st_mtime
    for age, left in ((0, ["far", "here"]), (3500, ["far", "here"]), (3700, ["here"])):
        write_heartbeat(tmp_path, "here", ProcessIdentity.current())
        os.utime(tmp_path / "live" / "here.json", (written + age, written + age))
        remove_dead_heartbeats(tmp_path)
        assert sorted(path.stem for path in (tmp_path / "live").glob("*.json")) == left


def test_a_process_of_another_machine_is_gone_when_its_counter_stands_still():
    now = 0.0
    monitor = LivenessMonitor(timeout=60, clock=lambda: now)
    assert not monitor.is_dead("a", OTHER_MACHINE, 1)
    now = 59.0
    assert not monitor.is_dead("a", OTHER_MACHINE, 1)
    assert not monitor.is_dead("a", OTHER_MACHINE, 2), "it has moved"
    now = 118.0
    assert not monitor.is_dead("a", OTHER_MACHINE, 2)
    now = 120.0
    assert monitor.is_dead("a", OTHER_MACHINE, 2)


@pytest.mark.parametrize("jump", [-1e7, 1e7])
def test_a_jump_of_the_clock_makes_nobody_gone(jump: float, monkeypatch):
    monitor = LivenessMonitor(timeout=60)
    assert not monitor.is_dead("a", OTHER_MACHINE, 1)
    before = time.time()
    monkeypatch.setattr(time, "time", lambda: before + jump)
    assert not monitor.is_dead("a", OTHER_MACHINE, 1)
    assert not monitor.is_dead("b", ProcessIdentity.current(), 1)
