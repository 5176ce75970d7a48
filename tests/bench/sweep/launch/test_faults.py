"""What can go wrong around a run costs that run at most: hanging, leaking, talking, leaving, full disks, torn files."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from fake_runner import make_spec
from launching import launch

from bench.context import RunContext
from bench.results.shards import Shards
from bench.sweep.launch import worker_logs
from bench.sweep.launch.claims import living
from bench.sweep.launch.task_executor import ran_out_of_memory
from bench.sweep.launch.tasks import Outcome, RunTask, Surroundings
from bench.sweep.launch.worker import LOGS
from bench.sweep.launch.worker_logs import HEAD, TAIL, exit_error, output_to
from bench.sweep.progress import worker_rows


def around(runs: Path, **limits) -> Surroundings:
    return Surroundings(runs=runs, context=RunContext(), runner="fake_runner", **limits)


def tasks(n: int = 3) -> list[RunTask]:
    return [RunTask(make_spec(seed=seed)) for seed in range(1, n + 1)]


def error_of(runs: Path, task: RunTask) -> str:
    record = Shards(runs).record(task.spec.run_id)
    assert record is not None
    assert record.error is not None
    return f"{record.error.kind}: {record.error.message}"


@pytest.mark.parametrize("jobs", [0, 1])
def test_a_run_that_hangs_inside_compiled_code_is_stopped(jobs: int, tmp_path: Path, behave):
    behave(hang=["seed 2"])
    surroundings = around(tmp_path, timeout=0.7)
    todo = tasks()
    summary = launch(surroundings, jobs, todo)
    assert [item.outcome for item in summary.finished] == [Outcome.OK, Outcome.FAILED, Outcome.OK]
    assert "0.7 s of --timeout" in summary.failures[0].message
    assert not summary.failures[0].memory
    assert error_of(tmp_path, todo[1]).startswith("RunTimeoutError")
    if jobs:
        assert "in hang" in (tmp_path / LOGS / f"{todo[1].key}.log").read_text(), "the log says where"


def test_a_worker_that_cannot_even_end_itself_is_killed(tmp_path: Path, behave, monkeypatch):
    behave(hang=["seed 2"])
    monkeypatch.setattr("bench.sweep.launch.pool.GRACE", -59.3)  # the supervisor acts before the worker does
    notices: list[str] = []
    summary = launch(around(tmp_path, timeout=60.0), 1, tasks(), method="spawn", on_notice=notices.append)
    assert [item.outcome for item in summary.finished] == [Outcome.OK, Outcome.FAILED, Outcome.OK]
    assert ["died with signal 9" in notice for notice in notices] == [True]


@pytest.mark.skipif(sys.platform != "linux", reason="limits on private memory are Linux's")
def test_a_run_that_leaks_reaches_its_limit_and_its_worker_is_replaced(tmp_path: Path, behave):
    behave(leak=["seed 2"])
    todo, attempts = tasks(), []
    summary = launch(around(tmp_path, memory_bytes=1 << 29), 1, todo, on_finished=attempts.append)
    assert [item.outcome for item in attempts[:3]] == [Outcome.OK, Outcome.FAILED, Outcome.OK]
    assert [item.task.eval_batch for item in attempts[3:]] == [8]
    assert [item.memory for item in attempts] == [False, True, False, True]
    assert [item.task.spec for item in summary.failures] == [todo[1].spec]
    assert "MemoryError" in error_of(tmp_path, todo[1])


@pytest.mark.parametrize("jobs", [0, 1])
def test_a_run_that_calls_sys_exit_has_failed(jobs: int, tmp_path: Path, behave):
    behave(exit=["seed 2"])
    surroundings = around(tmp_path)
    todo = tasks()
    summary = launch(surroundings, jobs, todo)
    assert [item.outcome for item in summary.finished] == [Outcome.OK, Outcome.FAILED, Outcome.OK]
    assert error_of(tmp_path, todo[1]).startswith("WorkerDiedError: the run called")


def test_a_run_that_prints_a_million_lines_keeps_a_head_and_a_tail(tmp_path: Path, behave):
    behave(chatter=["seed 2"])
    todo = tasks()
    summary = launch(around(tmp_path), 1, todo)
    assert summary.failures == []
    log = tmp_path / LOGS / f"{todo[1].key}.log"
    text = log.read_text()
    assert text.startswith("a chatty method\nline 0 ")
    assert "bytes are left out" in text
    assert text.endswith("past Python\n")
    assert log.stat().st_size < 12 * (HEAD + TAIL)
    assert (tmp_path / LOGS / f"{todo[0].key}.log").read_text() == "a chatty method\n"


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


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of a few hundred kilobytes."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(place)]
    may_mount = sys.platform == "linux" and shutil.which("mount")
    if not may_mount or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system is not permitted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("jobs", [0, 2])
def test_a_disk_that_is_really_full_stops_the_sweep_and_loses_nothing(jobs: int, small_disk: Path):
    todo = tasks(200)
    (small_disk / "ballast").write_bytes(bytes(150 * 1024))
    surroundings = around(small_disk)
    summary = launch(surroundings, jobs, todo)
    assert summary.unwritten is not None
    assert "written: No space left" in summary.unwritten.message
    finished = [item.task for item in summary.finished if item.outcome is Outcome.OK]
    assert 0 < len(finished) < 200
    shards = Shards(small_disk)
    assert all(shards.read(task.spec.run_id) is not None for task in finished)
    assert not list(shards.runs.rglob("*.damaged-*"))
    (small_disk / "ballast").unlink()
    following = launch(surroundings, 0, [task for task in todo[:20] if shards.status(task.spec.run_id) is None])
    assert following.unwritten is None


@pytest.mark.parametrize("problem", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_write_that_fails_stops_the_sweep(problem: int, tmp_path: Path, monkeypatch):
    """Where no small file system can be mounted."""
    real = Shards.write
    written: list[str] = []

    def write(self, record, predictions=()):
        if len(written) == 2:
            raise OSError(problem, "the disk says no")
        written.append(record.run_id)
        return real(self, record, predictions)

    monkeypatch.setattr(Shards, "write", write)
    summary = launch(around(tmp_path), 0, tasks(5))
    assert [item.outcome for item in summary.finished] == [Outcome.OK, Outcome.OK, Outcome.UNWRITTEN]
    assert summary.unwritten is not None
    assert summary.unwritten.message.endswith("the disk says no")


@pytest.mark.parametrize("jobs", [0, 1])
def test_a_runs_folder_that_is_removed_is_said_to_be_gone_and_is_not_made_again(jobs: int, tmp_path: Path, behave):
    behave(remove=["seed 2"])
    runs = tmp_path / "runs"
    surroundings = around(runs)
    notices: list[str] = []
    summary = launch(surroundings, jobs, tasks(5), on_notice=notices.append)
    assert [item.outcome for item in summary.finished] == [Outcome.OK, Outcome.GONE]
    assert notices == [], "no worker died"
    assert summary.unwritten is not None
    assert summary.unwritten.message.startswith(f"the runs folder {runs} is gone")
    assert not Shards(runs).scan()


def test_a_file_that_does_not_fit_is_named(tmp_path: Path):
    """On a child process, whose files may have 4 KiB at most."""
    program = f"""
import resource
from pathlib import Path
from launching import launch
from bench.context import RunContext
from bench.experiment import write_model
from bench.sweep.launch.tasks import RunTask, Surroundings
from fake_runner import make_spec
runs = Path({str(tmp_path / "runs")!r})
task = RunTask(make_spec(method="a" * 200, config={{"text": "x" * 6000}}))
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
summary = launch(Surroundings(runs=runs, context=RunContext(), runner="fake_runner"), 0, [task])
print(summary.unwritten.message)
try:
    write_model(runs / "models" / "m.safetensors", bytes(10_000))
except OSError as error:
    print(error)
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    shard, model = child.stdout.splitlines()
    assert re.fullmatch(rf"{tmp_path}/runs/shards/\w\w/\w{{16}}\.json cannot be written: File too large", shard)
    assert str(tmp_path / "runs" / "models" / "m.safetensors") in model
    assert not list(tmp_path.rglob("*.tmp"))


# --- two sweeps -------------------------------------------------------------------------------------------------------


def test_two_sweeps_at_once_do_every_run_once(tmp_path: Path, behave):
    behave(journal=str(tmp_path / "journal"), sleep=0.02)
    todo = tasks(24)
    summaries = []
    threads = [
        threading.Thread(target=lambda: summaries.append(launch(around(tmp_path / "runs"), 1, todo))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    begun = (tmp_path / "journal").read_text().split()
    assert sorted(begun) == sorted(task.key for task in todo), "each run began once"
    here = [item.here and item.outcome is Outcome.OK for summary in summaries for item in summary.finished]
    assert sum(here) == 24
    assert list((tmp_path / "runs" / "claims").glob("*.json")) == []
    assert list((tmp_path / "runs" / "live").iterdir()) == []


@pytest.fixture
def two_mounts(tmp_path: Path):
    """One folder at two places, as two machines see it."""
    places = tmp_path / "first", tmp_path / "second"
    for place in places:
        place.mkdir()
    mount = ["mount", "--bind", *map(str, places)]
    may_mount = sys.platform == "linux" and shutil.which("mount")
    if not may_mount or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a folder at a second place is not permitted here")
    yield places
    subprocess.run(["umount", "-l", str(places[1])], check=True)


def test_two_sweeps_on_two_mounts_of_one_folder_do_every_run_once(two_mounts, tmp_path: Path, behave):
    behave(journal=str(tmp_path / "journal"), sleep=0.02)
    todo = tasks(24)
    threads = [threading.Thread(target=launch, args=(around(place), 1, todo)) for place in two_mounts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted((tmp_path / "journal").read_text().split()) == sorted(task.key for task in todo)


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
def test_a_stopped_worker_is_named_by_the_sweep_and_by_status(surroundings: Surroundings, behave, monkeypatch):
    monkeypatch.setattr("bench.sweep.launch.pool.STOPPED_SECONDS", 0.2)
    behave(sleep=5)  # long enough to be stopped inside
    shown: list[str] = []
    said: list[str] = []

    def working() -> list[int]:
        return [item.process.pid for item in living(surroundings.runs) if item.facts.get("task")]

    def stop() -> None:
        while not working():
            time.sleep(0.02)
        os.kill(working()[0], signal.SIGSTOP)

    def on_notice(text: str) -> None:
        said.append(text)
        if "was stopped by a signal" in text:
            (pid,) = working()
            shown.extend(row["doing"] for row in worker_rows(surroundings.runs))
            os.kill(pid, signal.SIGCONT)

    thread = threading.Thread(target=stop)
    thread.start()
    summary = launch(surroundings, 1, [RunTask(make_spec())], method="spawn", on_notice=on_notice)
    thread.join()
    (line,) = said
    assert re.fullmatch(r"Worker (\d+) was stopped by a signal during coop on .* holds it; `kill -CONT \1` .*", line)
    assert any(re.search(r"1, stopped \(`kill -CONT \d+` resumes", text) for text in shown)
    assert [item.outcome for item in summary.finished] == [Outcome.OK]
