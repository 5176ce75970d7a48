import errno
import os
import threading
from pathlib import Path

import pytest
from left_behind import OTHER_MACHINE, dead_process, write_heartbeat, write_lease

from bench.sweep.coordination.heartbeat import Heartbeat, LivenessMonitor
from bench.sweep.coordination.leases import Leases
from bench.sweep.coordination.process_identity import ProcessIdentity


@pytest.fixture
def two(tmp_path: Path):
    """Two holders in one folder."""
    with Heartbeat(tmp_path, "worker") as a, Heartbeat(tmp_path, "worker") as b:
        yield Leases(tmp_path, a), Leases(tmp_path, b)


def test_a_lease_has_one_holder_until_it_is_given_back(two):
    a, b = two
    assert a.acquire("r")
    assert a.acquire("r"), "it is mine already"
    assert not b.acquire("r")
    assert not b.break_if_dead("r")
    b.release("r")
    assert not b.acquire("r"), "the holder keeps it"
    a.release("r")
    assert b.acquire("r")
    a.release("never held")


def rush(folder: Path, many: int) -> list[int]:
    """Who of many workers, all at the same moment, gets the lease."""
    got: list[int] = []
    barrier = threading.Barrier(many)

    def worker(number: int) -> None:
        with Heartbeat(folder, "worker") as heartbeat:
            leases = Leases(folder, heartbeat)
            barrier.wait()
            if leases.acquire("r"):
                got.append(number)
            barrier.wait()

    threads = [threading.Thread(target=worker, args=(i,)) for i in range(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return got


def test_of_many_processes_at_once_one_gets_the_lease(tmp_path: Path):
    assert len(rush(tmp_path, 8)) == 1
    assert [path.name for path in (tmp_path / "leases").iterdir()] == ["r.json"], "no drafts stay"


def test_the_lease_of_a_process_that_died_here_is_taken_over_at_once(two, tmp_path: Path):
    write_lease(tmp_path, "r", "dead", dead_process())
    assert two[0].acquire("r")
    assert not two[1].acquire("r")


def test_of_many_processes_that_take_over_a_lease_one_gets_it(tmp_path: Path):
    """The lease of the new holder must not be taken for that of the dead one."""
    for _ in range(20):
        write_lease(tmp_path, "r", "dead", dead := dead_process_once())
        assert dead.alive() is False
        assert len(rush(tmp_path, 4)) == 1


_DEAD: list[ProcessIdentity] = []


def dead_process_once() -> ProcessIdentity:
    if not _DEAD:
        _DEAD.append(dead_process())
    return _DEAD[0]


def test_the_lease_of_another_machine_is_taken_over_when_its_beat_stands_still(tmp_path: Path):
    now = 0.0
    with Heartbeat(tmp_path, "worker") as heartbeat:
        leases = Leases(tmp_path, heartbeat, LivenessMonitor(timeout=60, clock=lambda: now))
        write_heartbeat(tmp_path, "far", OTHER_MACHINE, beat=1)
        write_lease(tmp_path, "r", "far", OTHER_MACHINE)
        assert not leases.acquire("r")
        now = 50.0
        write_heartbeat(tmp_path, "far", OTHER_MACHINE, beat=2)
        assert not leases.acquire("r")
        now = 100.0
        assert not leases.break_if_dead("r")
        now = 111.0
        assert leases.break_if_dead("r")
        assert leases.acquire("r")


def test_a_damaged_lease_is_valid_until_the_timeout(tmp_path: Path):
    now = 0.0
    with Heartbeat(tmp_path, "worker") as heartbeat:
        leases = Leases(tmp_path, heartbeat, LivenessMonitor(timeout=60, clock=lambda: now))
        (tmp_path / "leases").mkdir()
        (tmp_path / "leases" / "r.json").write_text('{"hol')
        assert not leases.acquire("r")
        now = 61.0
        assert leases.acquire("r")


def test_without_hard_links_the_name_is_still_taken_by_one(two, monkeypatch):
    def no_links(*_args: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    a, b = two
    assert a.acquire("r")
    assert not b.acquire("r")
    a.release("r")
    assert b.acquire("r")


def test_a_lease_that_cannot_be_written_is_an_error(two, monkeypatch):
    def full(*_args: object) -> int:
        raise OSError(errno.ENOSPC, "No space left")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        two[0].acquire("r")
