"""What a killed process leaves in a runs folder is removed by the next sweep there, and nothing of a living one."""

import os
from pathlib import Path

import pytest
from left_behind import OTHER_MACHINE, dead_process, write_heartbeat, write_lease

from bench.sweep.coordination.heartbeat import Heartbeat
from bench.sweep.coordination.leases import Leases
from bench.sweep.coordination.leftovers import remove_leftovers
from bench.sweep.coordination.process_identity import ProcessIdentity

FOLDERS = ("models", "live", "leases", "sweeps", "checkpoints", "difficulty/ViT-tiny.random", "shards/0a")


def contents(runs: Path) -> set[str]:
    return {str(path.relative_to(runs)) for path in runs.rglob("*") if path.is_file() and ".lock" not in path.name}


def draft(runs: Path, folder: str, pid: int) -> str:
    """The temporary file that a writer in this process would leave."""
    (runs / folder).mkdir(parents=True, exist_ok=True)
    (runs / folder / f".0a12.{pid}-7.tmp").write_bytes(b"half")
    return f"{folder}/.0a12.{pid}-7.tmp"


def swept(runs: Path) -> set[str]:
    """What is left after a sweep began here, without its own heartbeat."""
    with Heartbeat(runs, "sweep") as heartbeat:
        remove_leftovers(Leases(runs, heartbeat))
    return contents(runs)


def test_everything_of_a_killed_process_is_removed(tmp_path: Path):
    dead = dead_process()
    write_heartbeat(tmp_path, "dead", dead)
    write_lease(tmp_path, "0a12", "dead", dead)
    for folder in FOLDERS:
        draft(tmp_path, folder, dead.pid)
    assert swept(tmp_path) == set()


def test_files_of_the_living_and_of_the_user_stay(tmp_path: Path):
    here = ProcessIdentity.current()
    write_heartbeat(tmp_path, "here", here)
    write_lease(tmp_path, "0a12", "here", here)
    kept = {"live/here.json", "leases/0a12.json", *(draft(tmp_path, folder, os.getpid()) for folder in FOLDERS)}
    for name in ("models/.mine.tmp", "models/notes.tmp", "mine/.0a12.1-7.tmp", ".0a12.1-7.tmp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
        kept.add(name)
    assert swept(tmp_path) == kept


@pytest.mark.parametrize("hours", [0, 2])
def test_files_of_another_machine_stay_until_they_are_abandoned(hours: int, tmp_path: Path):
    write_heartbeat(tmp_path, "far", OTHER_MACHINE)
    write_lease(tmp_path, "0a12", "far", OTHER_MACHINE)
    write_lease(tmp_path, "0b34", "ended", OTHER_MACHINE)
    left = draft(tmp_path, "models", dead_process().pid)
    before = (tmp_path / "live" / "far.json").stat().st_mtime - 3600 * hours
    for path in tmp_path.glob("l*/*.json"):
        os.utime(path, (before, before))
    everything = {"live/far.json", "leases/0a12.json", "leases/0b34.json", left}
    assert swept(tmp_path) == (set() if hours else everything)


def test_a_long_run_of_another_machine_keeps_its_lease_while_its_heartbeat_is_new(tmp_path: Path):
    write_heartbeat(tmp_path, "far", OTHER_MACHINE)
    write_lease(tmp_path, "0a12", "far", OTHER_MACHINE)
    os.utime(tmp_path / "leases" / "0a12.json", (1, 1))
    assert swept(tmp_path) == {"live/far.json", "leases/0a12.json"}
