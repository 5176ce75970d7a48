"""What can go wrong around a run costs that run at most: hanging, leaking, talking, leaving, full disks, torn files."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from fake_runner import make_spec
from launching import error_of, launch, run_tasks, statuses
from patience import wait_until

from bench.context import RunContext
from bench.experiment import write_model
from bench.record import RunStatus
from bench.results.shards import Shards
from bench.sweep.launch import worker_logs
from bench.sweep.launch.task_claims import living
from bench.sweep.launch.task_executor import ran_out_of_memory
from bench.sweep.launch.tasks import Outcome, RunTask, Surroundings
from bench.sweep.launch.worker import LOGS
from bench.sweep.launch.worker_limits import kills_for_memory
from bench.sweep.launch.worker_logs import HEAD, TAIL, exit_error, output_to
from bench.sweep.progress import worker_rows


def around(runs: Path, **limits) -> Surroundings:
    return Surroundings(runs=runs, context=RunContext(), runner="fake_runner", **limits)


ENDS = {
    "exit": "WorkerDiedError: the run called sys.exit",
    "hang": "RunTimeoutError: it took longer than the 3 s of --timeout",
    "leave": "WorkerDiedError: worker ended with exit code 7",
    "die": "WorkerKilledError: worker died with signal 9 (SIGKILL)",
}
"""What a run may do, and the error that is stored of it."""


@pytest.mark.parametrize(("jobs", "ways"), [(0, ["exit", "hang"]), (1, list(ENDS))])
def test_a_run_that_ends_its_process_or_never_ends_costs_only_itself(
    jobs: int, ways: list[str], tmp_path: Path, behave
):
    behave(chatter=["seed 6"], **{way: [f"seed {seed}"] for seed, way in enumerate(ways, 1)})
    todo = run_tasks(6)
    notices: list[str] = []
    summary = launch(around(tmp_path, timeout=3.0), jobs, todo, on_notice=notices.append)
    failed = len(ways)
    assert statuses(tmp_path, todo) == [RunStatus.FAILED] * failed + [RunStatus.OK] * (6 - failed)
    for way, task in zip(ways, todo, strict=False):
        assert error_of(tmp_path, task).startswith(ENDS[way])
    assert {item.task.key: (item.killed, item.memory) for item in summary.failures} == {
        task.key: (way == "die", False) for way, task in zip(ways, todo, strict=False)
    }
    if not jobs:
        return
    dead = sorted(text.partition(" during ")[0].removeprefix("A worker ") for text in notices)
    assert dead == ["died with signal 9 (SIGKILL)"] * 2 + ["ended with exit code 1", "ended with exit code 7"]
    logs = [(tmp_path / LOGS / f"{task.key}.log").read_text() for task in todo]
    assert "in hang" in logs[1], "the log says where"
    assert logs[4] == "a chatty method\n"
    assert logs[5].startswith("a chatty method\nline 0 ")
    assert "bytes are left out" in logs[5]
    assert logs[5].endswith("past Python\n")
    assert len(logs[5]) <= HEAD + TAIL + 200


def test_a_worker_that_cannot_even_end_itself_is_killed(tmp_path: Path, behave, monkeypatch):
    behave(hang=["seed 2"])
    monkeypatch.setattr("bench.sweep.launch.pool.GRACE", -59.3)  # the supervisor acts before the worker does
    notices: list[str] = []
    summary = launch(around(tmp_path, timeout=60.0), 1, run_tasks(3), method="spawn", on_notice=notices.append)
    assert [item.outcome for item in summary.finished] == [Outcome.OK, Outcome.FAILED, Outcome.OK]
    assert ["died with signal 9" in notice for notice in notices] == [True]


@pytest.mark.skipif(sys.platform != "linux", reason="limits on private memory are Linux's")
def test_a_run_that_leaks_reaches_its_limit_and_its_worker_is_replaced(tmp_path: Path, behave):
    behave(leak=["seed 2"])
    todo, attempts = run_tasks(3), []
    summary = launch(around(tmp_path, memory_bytes=1 << 28), 1, todo, on_finished=attempts.append)
    assert [item.outcome for item in attempts[:3]] == [Outcome.OK, Outcome.FAILED, Outcome.OK]
    assert [item.task.eval_batch for item in attempts[3:]] == [8]
    assert [item.memory for item in attempts] == [False, True, False, True]
    assert [item.task.spec for item in summary.failures] == [todo[1].spec]
    assert "MemoryError" in error_of(tmp_path, todo[1])


def test_the_end_of_what_is_printed_past_python_is_kept_too_and_the_file_stays_small(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(worker_logs, "_CHECK_SECONDS", 0.005)
    largest = 0
    with output_to(tmp_path / "log", append=False):
        for _ in range(200):
            subprocess.run(["head", "-c", "65536", "/dev/zero"], check=True)
            largest = max(largest, (tmp_path / "log").stat().st_size)
        subprocess.run(["echo", "the end"], check=True)
    assert largest < 8 * (HEAD + TAIL)
    text = (tmp_path / "log").read_bytes()
    assert HEAD + TAIL <= len(text) <= HEAD + TAIL + 200
    assert text.endswith(b"the end\n")
    (dropped,) = re.findall(rb"\[\.\.\. (\d+) bytes are left out here", text)
    assert int(dropped) + HEAD + TAIL == pytest.approx(200 * 65536, rel=0.1)


def test_a_later_attempt_adds_to_the_log_and_silence_leaves_none(tmp_path: Path):
    for attempt in (1, 2):
        with output_to(tmp_path / "log", append=attempt > 1):
            os.write(1, f"attempt {attempt}\n".encode())
    assert (tmp_path / "log").read_text() == "attempt 1\nattempt 2\n"
    with output_to(tmp_path / "other", append=False):
        pass
    assert not (tmp_path / "other").exists()


# --- disks ------------------------------------------------------------------------------------------------------------


@contextmanager
def mounted(place: Path, *what: str) -> Iterator[bool]:
    """Make a folder and mount something there; gives whether that is permitted."""
    place.mkdir()
    permitted = sys.platform == "linux" and shutil.which("mount") is not None
    if permitted:
        permitted = not subprocess.run(["mount", *what, place], capture_output=True, check=False).returncode
    yield permitted
    if permitted:
        subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of a few hundred kilobytes."""
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=400k", "tmpfs") as permitted:
        if not permitted:
            pytest.skip("mounting a small file system is not permitted here")
        yield tmp_path / "small"


def test_a_disk_that_is_really_full_stops_the_sweep_and_loses_nothing(small_disk: Path):
    todo = run_tasks(200)
    (small_disk / "ballast").write_bytes(bytes(150 * 1024))
    summary = launch(around(small_disk), 2, todo)
    assert "written: No space left" in summary.unwritten.message
    finished = [item.task for item in summary.finished if item.outcome is Outcome.OK]
    assert 0 < len(finished) < 200
    shards = Shards(small_disk)
    assert all(shards.read(task.spec.run_id) is not None for task in finished)
    assert not list(shards.runs.rglob("*.damaged-*"))
    (small_disk / "ballast").unlink()
    left = [  # two blocks each, and folders, in place of the ballast; one may have failed as its log was full
        replace(task, known_stamp=shards.stamp(task.spec.run_id)) for task in todo if task not in finished
    ][:8]
    assert [item.outcome for item in launch(around(small_disk), 0, left).finished] == [Outcome.OK] * len(left)


@pytest.mark.parametrize("jobs", [0, 1])
def test_a_runs_folder_that_is_removed_is_said_to_be_gone_and_is_not_made_again(jobs: int, tmp_path: Path, behave):
    behave(remove=["seed 2"])
    runs = tmp_path / "runs"
    notices: list[str] = []
    summary = launch(around(runs), jobs, run_tasks(5), on_notice=notices.append)
    assert [item.outcome for item in summary.finished] == [Outcome.OK, Outcome.GONE]
    assert notices == [], "no worker died"
    assert summary.unwritten.message.startswith(f"the runs folder {runs} is gone")
    assert summary.held == 0, "the runs that are left are those of no other sweep"
    assert not Shards(runs).scan()


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_file_that_does_not_fit_is_named_and_stops_the_sweep(tmp_path: Path):
    import resource

    runs, usual = tmp_path / "runs", resource.getrlimit(resource.RLIMIT_FSIZE)
    task = RunTask(make_spec(method="a" * 200, config={"text": "x" * 6000}))
    model = runs / "models" / "m.safetensors"
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, usual[1]))
    try:
        summary = launch(around(runs), 0, [*run_tasks(1), task, *run_tasks(2)])
        with pytest.raises(OSError, match=f"File too large.*{model}"):
            write_model(model, bytes(10_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    shard = rf"{runs}/shards/\w\w/\w{{16}}\.json cannot be written: File too large"
    assert re.fullmatch(shard, summary.unwritten.message)
    assert [item.outcome for item in summary.finished] == [Outcome.OK, Outcome.UNWRITTEN]
    assert not list(tmp_path.rglob("*.tmp"))


# --- two sweeps -------------------------------------------------------------------------------------------------------


@pytest.fixture
def two_places(tmp_path: Path):
    """One folder at two places, as two machines see it, where mounting is permitted; else twice the same place."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    with mounted(second, "--bind", str(first)) as permitted:
        yield first, second if permitted else first


def test_two_sweeps_at_once_do_every_run_once(two_places: tuple[Path, Path], tmp_path: Path, behave):
    behave(journal=str(tmp_path / "journal"), sleep=0.02)
    todo, summaries = run_tasks(24), []
    threads = [
        threading.Thread(target=lambda runs=runs: summaries.append(launch(around(runs), 1, todo)))
        for runs in two_places
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    begun = (tmp_path / "journal").read_text().split()
    assert sorted(begun) == sorted(task.key for task in todo), "each run began once"
    here = [item.here and item.outcome is Outcome.OK for summary in summaries for item in summary.finished]
    assert sum(here) == 24
    assert list((two_places[0] / "claims").glob("*.json")) == []
    assert list((two_places[0] / "live").iterdir()) == []


# --- causes of failures -----------------------------------------------------------------------------------------------


def test_out_of_memory_errors_are_recognised():
    class OutOfMemoryError(RuntimeError):
        """As torch.cuda's is called."""

    assert ran_out_of_memory(MemoryError())
    assert ran_out_of_memory(OutOfMemoryError("CUDA"))
    assert ran_out_of_memory(
        RuntimeError("[enforce fail at alloc_cpu.cpp:118] . DefaultCPUAllocator: can't allocate memory")
    )
    assert not ran_out_of_memory(RuntimeError("shapes do not match"))
    assert not ran_out_of_memory(ValueError("out of memory"))


def test_kills_for_memory_are_those_of_this_container_before_those_of_the_machine(tmp_path: Path) -> None:
    own, machine = tmp_path / "memory.events", tmp_path / "vmstat"
    assert kills_for_memory([own, machine]) == 0
    machine.write_text("nr_free_pages 7\noom_kill 5\n")
    assert kills_for_memory([own, machine]) == 5
    own.write_text("low 0\noom 3\noom_kill 2\noom_group_kill 9\n")
    assert kills_for_memory([own, machine]) == 2
    own.write_text("oom_kill many\n")
    assert kills_for_memory([own, machine]) == 5


@pytest.mark.parametrize(
    ("code", "for_memory", "timeout", "kind", "words"),
    [
        (-9, False, None, "WorkerKilledError", r"died with signal 9 \(SIGKILL\).*if so, use fewer --jobs"),
        (137, False, None, "WorkerKilledError", "exit code 137"),
        (-9, True, None, "WorkerMemoryError", "because memory ran out. Use fewer --jobs"),
        (-11, True, None, "WorkerDiedError", r"died with signal 11 \(SIGSEGV\)"),
        (-250, False, None, "WorkerDiedError", "died with signal 250"),
        (1, False, 30.0, "RunTimeoutError", "longer than the 30 s of --timeout"),
    ],
)
def test_why_a_worker_died(code: int, for_memory: bool, timeout: float | None, kind: str, words: str):
    error = exit_error(code, "Its output: x.log", for_memory=for_memory, timeout=timeout)
    assert type(error).__name__ == kind
    with pytest.raises(type(error), match=words):
        raise error
    assert ran_out_of_memory(error) == (kind == "WorkerMemoryError")


@pytest.mark.skipif(sys.platform == "win32", reason="SIGSTOP is of POSIX")
def test_a_stopped_worker_is_named_by_the_sweep_and_by_status(
    surroundings: Surroundings, tmp_path: Path, behave, monkeypatch
):
    monkeypatch.setattr("bench.sweep.launch.pool.STOPPED_SECONDS", 0.2)
    seen = tmp_path / "seen"
    behave(until=str(seen))  # so that it is stopped inside
    shown: list[str] = []
    said: list[str] = []

    def working() -> list[int]:
        return [item.process.pid for item in living(surroundings.runs) if item.facts.get("task")]

    def stop() -> None:
        os.kill(wait_until(working, "a worker has begun")[0], signal.SIGSTOP)

    def on_notice(text: str) -> None:
        said.append(text)
        if "was stopped by a signal" in text:
            (pid,) = working()
            shown.extend(row["doing"] for row in worker_rows(surroundings.runs))
            seen.touch()
            os.kill(pid, signal.SIGCONT)

    thread = threading.Thread(target=stop)
    thread.start()
    summary = launch(surroundings, 1, run_tasks(1), method="spawn", on_notice=on_notice)
    thread.join()
    (line,) = said
    assert re.fullmatch(r"Worker (\d+) was stopped by a signal during coop on .* holds it; `kill -CONT \1` .*", line)
    assert any(re.search(r"1, stopped \(`kill -CONT \d+` resumes", text) for text in shown)
    assert [item.outcome for item in summary.finished] == [Outcome.OK]
