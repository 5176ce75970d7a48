"""Claims of tasks, the files of living processes, and what dead ones leave."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from left_behind import OTHER_MACHINE, dead_process, write_claim, write_living
from patience import wait_until

from bench.sweep.launch.task_claims import Claims, Process, living, remove_leftovers


def test_a_process_is_alive_until_it_ends_and_one_elsewhere_is_not_visible():
    """Numbers are reused. A container numbers its own processes, and a restarted machine begins at 1 again."""
    me = Process.current()
    assert (me.alive, dead_process().alive) == (True, False)
    assert replace(me, started="1").alive is (not me.started), "another process with its number"
    for place in ("host", "boot", "namespace"):
        assert replace(me, **{place: "b"}).alive is None


def test_a_zombie_process_is_dead():
    if not Process.current().started:
        pytest.skip("needs /proc")
    child = subprocess.Popen([sys.executable, "-S", "-c", ""])
    number = replace(Process.current(), pid=child.pid, started="")
    wait_until(lambda: number.alive is False, "the process is a zombie")
    child.wait()


def raising(code: int) -> Callable[..., None]:
    """In place of a function of the system: it fails with that code."""

    def fail(*_args: object, **_kwargs: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


def test_a_process_says_what_it_does_beats_and_ends(tmp_path: Path):
    with Claims(tmp_path, "worker", {"task": None}, beat=0.01) as claims:
        claims.update(task="coop on eurosat")
        (item,) = living(tmp_path)
        assert (item.kind, item.process, item.facts) == ("worker", Process.current(), {"task": "coop on eurosat"})
        wait_until(lambda: living(tmp_path)[0].beat > item.beat, "another beat")
    assert living(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_an_error_at_once(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="live"), Claims(tmp_path / "file", "sweep"):
        pass


def test_beats_that_cannot_be_written_do_not_end_the_work(tmp_path: Path, monkeypatch):
    with Claims(tmp_path, "sweep") as claims:
        monkeypatch.setattr("bench.sweep.launch.task_claims.write_atomically", raising(errno.ENOSPC))
        claims.update(done=3)


def test_a_listing_leaves_out_dead_processes_and_deletes_nothing(tmp_path: Path):
    write_living(tmp_path, "dead", dead_process())
    write_living(tmp_path, "far", OTHER_MACHINE)
    (tmp_path / "live" / "torn.json").write_text('{"kind": "wor')
    before = contents(tmp_path)
    assert [item.name for item in living(tmp_path)] == ["far"]
    assert contents(tmp_path) == before
    remove_leftovers(tmp_path)
    assert contents(tmp_path) == {"live/far.json", "live/torn.json"}


@pytest.fixture
def two(tmp_path: Path):
    """Two holders in one folder, in one process."""
    with Claims(tmp_path, "worker") as a, Claims(tmp_path, "worker") as b:
        yield a, b


def test_a_claim_has_one_holder_until_it_is_given_back(two):
    a, b = two
    assert a.take("r")
    assert a.take("r"), "it is mine already"
    assert not b.take("r")
    assert not b.free_if_dead("r")
    b.free("r")
    assert not b.take("r"), "the holder keeps it"
    a.free("r")
    assert b.take("r")
    a.free("never held")


def test_the_end_of_one_object_frees_no_claim_of_another_in_the_process(two, tmp_path: Path):
    assert two[0].take("r")
    with Claims(tmp_path, "worker") as ended:
        assert ended.take("other")
        ended.free("other")
    assert not two[1].take("r")


def rush(folder: Path, many: int) -> list[int]:
    """Who of many holders, all at the same moment, frees a dead claim and gets it."""
    winners: list[int] = []
    barrier = threading.Barrier(many)

    def worker(number: int) -> None:
        with Claims(folder, "worker") as claims:
            barrier.wait()
            claims.free_if_dead("r")
            if claims.take("r"):
                winners.append(number)
            barrier.wait()

    threads = [threading.Thread(target=worker, args=(i,)) for i in range(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return winners


def test_the_claim_of_a_process_that_died_here_is_free_once_somebody_says_so(two, tmp_path: Path):
    write_claim(tmp_path, "r", "dead", dead_process())
    assert not two[0].take("r"), "its sweep first records how its run ended"
    assert two[0].free_if_dead("r")
    assert two[0].take("r")
    assert not two[1].free_if_dead("r")


def test_of_many_processes_that_take_over_a_claim_one_gets_it(tmp_path: Path):
    """The claim of the new holder must not be taken for that of the dead one."""
    assert len(rush(tmp_path, 8)) == 1, "of nobody"
    dead = dead_process()
    for _ in range(40):
        write_claim(tmp_path, "r", "dead", dead)
        assert len(rush(tmp_path, 4)) == 1
    assert [path.name for path in (tmp_path / "claims").iterdir()] == [], "nothing stays"


def test_the_claim_of_another_machine_is_free_when_its_beat_stands_still(tmp_path: Path):
    now = 0.0
    with Claims(tmp_path, "worker", silent=60, clock=lambda: now) as claims:
        write_living(tmp_path, "far", OTHER_MACHINE, beat=1)
        write_claim(tmp_path, "r", "far", OTHER_MACHINE)
        assert not claims.free_if_dead("r")
        now = 50.0
        write_living(tmp_path, "far", OTHER_MACHINE, beat=2)
        assert not claims.free_if_dead("r")
        now = 100.0
        assert not claims.free_if_dead("r")
        now = 111.0
        assert claims.free_if_dead("r")
        assert claims.take("r")


@pytest.mark.parametrize("jump", [-1e7, 1e7])
def test_a_jump_of_the_clock_makes_nobody_dead(jump: float, tmp_path: Path, monkeypatch):
    write_living(tmp_path, "far", OTHER_MACHINE)
    write_claim(tmp_path, "r", "far", OTHER_MACHINE)
    write_claim(tmp_path, "s", "here", Process.current())
    claims = Claims(tmp_path, "sweep")
    assert not claims.free_if_dead("r")
    before = time.time()
    monkeypatch.setattr(time, "time", lambda: before + jump)
    assert not claims.free_if_dead("r")
    assert not claims.free_if_dead("s")


def test_a_damaged_claim_is_valid_until_the_timeout(tmp_path: Path):
    now = 0.0
    with Claims(tmp_path, "worker", silent=60, clock=lambda: now) as claims:
        (tmp_path / "claims" / "r.json").write_text('{"hol')
        assert not claims.free_if_dead("r")
        now = 61.0
        assert claims.free_if_dead("r")


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOSYS])
def test_without_hard_links_the_name_is_still_taken_by_one(code: int, two, monkeypatch):
    monkeypatch.setattr(os, "link", raising(code))
    a, b = two
    assert a.take("r")
    assert not b.take("r")
    a.free("r")
    assert b.take("r")


@pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX")
def test_claims_need_no_locks_of_the_file_system(two, tmp_path: Path, monkeypatch):
    import fcntl

    monkeypatch.setattr(fcntl, "flock", raising(errno.ENOSYS))
    monkeypatch.setattr(fcntl, "lockf", raising(errno.ENOSYS))
    a, b = two
    assert a.take("r")
    assert not b.take("r")
    write_claim(tmp_path, "s", "dead", dead_process())
    assert b.free_if_dead("s")


def test_a_claim_that_cannot_be_written_is_an_error(two, monkeypatch):
    monkeypatch.setattr(os, "link", raising(errno.ENOSPC))
    monkeypatch.setattr(Path, "open", raising(errno.ENOSPC))
    with pytest.raises(OSError, match="No space left"):
        two[0].take("r")


FOLDERS = ("models", "live", "sweeps", "checkpoints", "difficulty/ViT-tiny.random", "shards/0a")


def contents(runs: Path) -> set[str]:
    return {str(path.relative_to(runs)) for path in runs.rglob("*") if path.is_file() and ".lock" not in path.name}


def draft(runs: Path, folder: str, pid: int) -> str:
    """The temporary file that a writer in this process would leave."""
    (runs / folder).mkdir(parents=True, exist_ok=True)
    (runs / folder / f".0a12.{pid}-7.tmp").write_bytes(b"half")
    return f"{folder}/.0a12.{pid}-7.tmp"


def swept(runs: Path) -> set[str]:
    """What is left after a sweep began here, without its own files."""
    with Claims(runs, "sweep"):
        remove_leftovers(runs)
    return contents(runs)


def test_everything_of_a_killed_process_is_removed(tmp_path: Path):
    dead = dead_process()
    write_living(tmp_path, "dead", dead)
    write_claim(tmp_path, "0a12", "dead", dead)
    for folder in FOLDERS:
        draft(tmp_path, folder, dead.pid)
    assert swept(tmp_path) == set()


def test_files_of_the_living_and_of_the_user_stay(tmp_path: Path):
    here = Process.current()
    write_living(tmp_path, "here", here)
    write_claim(tmp_path, "0a12", "here", here)
    kept = {"live/here.json", "claims/0a12.json", *(draft(tmp_path, folder, os.getpid()) for folder in FOLDERS)}
    for name in ("models/.mine.tmp", "models/notes.tmp", "mine/.0a12.1-7.tmp", ".0a12.1-7.tmp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
        kept.add(name)
    assert swept(tmp_path) == kept


@pytest.mark.parametrize("hours", [0, 2])
def test_files_of_another_machine_stay_until_they_are_abandoned(hours: int, tmp_path: Path):
    write_living(tmp_path, "far", OTHER_MACHINE)
    write_claim(tmp_path, "0a12", "far", OTHER_MACHINE)
    write_claim(tmp_path, "0b34", "ended", OTHER_MACHINE)
    left = draft(tmp_path, "models", dead_process().pid)
    before = (tmp_path / "live" / "far.json").stat().st_mtime - 3600 * hours
    for path in tmp_path.glob("[lc]*/*.json"):
        os.utime(path, (before, before))
    everything = {"live/far.json", "claims/0a12.json", "claims/0b34.json", left}
    assert swept(tmp_path) == (set() if hours else everything)


def test_a_long_run_of_another_machine_keeps_its_claim_while_its_beats_are_new(tmp_path: Path):
    write_living(tmp_path, "far", OTHER_MACHINE)
    write_claim(tmp_path, "0a12", "far", OTHER_MACHINE)
    os.utime(tmp_path / "claims" / "0a12.json", (1, 1))
    assert swept(tmp_path) == {"live/far.json", "claims/0a12.json"}
