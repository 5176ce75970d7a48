"""A sweep on every launcher: each task ends as a shard, and signals and kills lose nothing that is finished."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import launching
import psutil
import pytest
from launching import run_tasks, start_python, statuses, wait_for
from patience import PATIENCE, wait_until

from bench.context import RunContext
from bench.errors import BenchError
from bench.record import RunStatus
from bench.results.database import Store
from bench.results.shards import Shards
from bench.sweep.launch.pool import worker_environment
from bench.sweep.launch.task_claims import remove_leftovers
from bench.sweep.launch.task_executor import load_runner
from bench.sweep.launch.tasks import DifficultyTask, LaunchSummary, RunTask, Surroundings
from bench.sweep.launch.worker_limits import device_variables, set_device_variables

BACKBONE = "ViT-demo.drawn"
METHODS = pytest.mark.parametrize("method", ["fork", "spawn"])
"""Both ways to start a worker; on Linux workers are forked."""


@pytest.mark.parametrize("method", ["inline", "fork", "spawn"])
def test_every_task_ends_as_a_shard_and_a_failure_stops_nothing(method: str, surroundings: Surroundings, behave):
    behave(fail=["seed 2"], no_difficulty=["spectrum_b"])
    todo = [*run_tasks(4), *(DifficultyTask(BACKBONE, name) for name in ("spectrum_a", "spectrum_b"))]
    seen: list = []
    jobs = 0 if method == "inline" else 2
    summary = launching.launch(surroundings, jobs, todo, method=method, on_finished=seen.append)
    assert (len(summary.finished), len(seen), summary.interrupted) == (6, 6, False)
    assert statuses(surroundings.runs, todo) == [RunStatus.OK, RunStatus.FAILED, RunStatus.OK, RunStatus.OK]
    assert [(item.task.label, item.message) for item in summary.failures] == [
        ("coop on spectrum_a, base-to-new, 16 shots, seed 2", "loss became nan at step 3. Use a smaller recipe.lr.")
    ]
    assert launching.error_of(surroundings.runs, todo[1]).startswith("NonFiniteLossError: ")
    assert Shards(surroundings.runs).difficulties.has(BACKBONE, "spectrum_a")
    assert [(item.task.label, item.message) for item in summary.unmeasured] == [
        (f"difficulty of spectrum_b for {BACKBONE}", "no class names")
    ]


@METHODS
def test_a_runner_that_cannot_be_imported_ends_the_sweep(method: str, surroundings: Surroundings):
    broken = surroundings.model_copy(update={"runner": "no_such_runner"})
    with pytest.raises(BenchError, match="'no_such_runner' cannot be imported"):
        launching.launch(broken, 2, run_tasks(4), method=method)


def test_a_runner_must_have_every_function():
    with pytest.raises(BenchError, match="'json' lacks run_experiment, failed_record"):
        load_runner("json")


@METHODS
def test_workers_get_their_number_of_threads(
    method: str, surroundings: Surroundings, tmp_path: Path, behave, monkeypatch
):
    behave(environment=str(tmp_path / "environment"))
    monkeypatch.setenv("MKL_NUM_THREADS", "2")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    around = surroundings.model_copy(update={"context": RunContext(threads=3)})
    launching.launch(around, 1, run_tasks(1), method=method)
    found = json.loads((tmp_path / "environment").read_text())
    wanted = {"OMP_NUM_THREADS": "3", "MKL_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "3"}
    assert {name: found[name] for name in wanted} == wanted


WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


def test_cublas_repeats_its_bits_unless_the_user_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(WORKSPACE, raising=False)
    assert device_variables("cuda") == {WORKSPACE: ":4096:8"}
    assert device_variables("cuda:1") == {WORKSPACE: ":4096:8"}
    assert device_variables("cpu") == {}
    assert worker_environment(2, "cuda")[WORKSPACE] == ":4096:8"
    assert WORKSPACE not in worker_environment(2)
    monkeypatch.setenv(WORKSPACE, ":16:8")
    assert device_variables("cuda") == {}
    set_device_variables(RunContext(device="cuda"))
    assert worker_environment(2, "cuda")[WORKSPACE] == ":16:8"


def test_a_launch_outside_the_main_thread_works(surroundings: Surroundings):
    """Signal handlers cannot be set there, and need not."""
    done: list[LaunchSummary] = []
    around = surroundings.model_copy(update={"timeout": 60.0})
    thread = threading.Thread(target=lambda: done.append(launching.launch(around, 0, run_tasks(2))))
    thread.start()
    thread.join()
    assert len(done[0].finished) == 2


# --- signals ----------------------------------------------------------------------------------------------------------


def launch_and_signal(number: int, jobs: int, around: Surroundings, todo: list[RunTask]) -> tuple[list, list[str]]:
    """Send a signal to this process once a run has ended; gives the statuses and the notices."""
    sent, notices = [], []

    def on_finished(_item: object) -> None:
        if not sent:
            sent.append(number)
            os.kill(os.getpid(), number)

    summary = launching.launch(around, jobs, todo, on_finished=on_finished, on_notice=notices.append)
    assert summary.interrupted
    assert summary.failures == []
    remove_leftovers(around.runs)  # as the command does then
    assert [*(around.runs / "claims").glob("*.json"), *(around.runs / "live").glob("*.json")] == []
    return statuses(around.runs, todo), notices


@pytest.mark.parametrize("jobs", [0, 2])
def test_ctrl_c_once_finishes_current_runs_and_stops(jobs: int, surroundings: Surroundings, behave):
    behave(sleep=0.05 if jobs else 0)
    found, notices = launch_and_signal(signal.SIGINT, jobs, surroundings, run_tasks(200))
    assert set(found) == {RunStatus.OK, None}
    assert found.count(RunStatus.OK) == 1 or jobs
    assert [text.startswith("Stopping") for text in notices] == [True] * bool(jobs)


@pytest.mark.parametrize("jobs", [0, 2])
def test_a_request_to_terminate_stops_at_once(jobs: int, surroundings: Surroundings, behave):
    behave(hang=["seed 2"])
    assert launch_and_signal(signal.SIGTERM, jobs, surroundings, run_tasks(2))[0] == [RunStatus.OK, None]


SWEEP = """
import sys
from pathlib import Path
from launching import launch, run_tasks, statuses
from bench.context import RunContext
from bench.sweep.launch.tasks import Surroundings
runs, tasks = Path(sys.argv[1]), run_tasks(int(sys.argv[2]))
left = [task for task, status in zip(tasks, statuses(runs, tasks)) if status is None]
around = Surroundings(runs=runs, context=RunContext(), runner="fake_runner")
say = lambda text: print(text, flush=True)
summary = launch(around, 2, left, on_finished=lambda item: say("finished"), on_notice=say)
print("interrupted", summary.interrupted, "failed", len(summary.failures))
"""


def busy_sweep(folder: Path) -> subprocess.Popen[str]:
    """A sweep both of whose workers are in runs that never return to Python."""
    journal = folder / "journal"
    behaviour = json.dumps({"hang": ["seed"], "journal": str(journal)})
    process = start_python(SWEEP, folder / "runs", 4, FAKE_RUNNER=behaviour)
    wait_until(lambda: journal.exists() and len(journal.read_text().split()) == 2, "both workers are busy")
    return process


def test_ctrl_c_twice_stops_at_once_and_records_nothing(tmp_path: Path):
    """As a terminal sends it: to the sweep and all its workers."""
    process = busy_sweep(tmp_path)
    os.killpg(process.pid, signal.SIGINT)
    wait_for(process, "Stopping after the 2 current runs")
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=PATIENCE)
    assert "interrupted True failed 0" in output
    assert process.returncode == 0
    assert Shards(tmp_path / "runs").scan() == {}


# --- kills ------------------------------------------------------------------------------------------------------------


def test_a_sweep_killed_at_any_moment_keeps_what_is_finished_and_ends_like_an_undisturbed_one(tmp_path: Path):
    todo, runs, kept = run_tasks(40), tmp_path / "disturbed", 0
    for moment in (0, 2, 9):
        process = start_python(SWEEP, runs, 40, FAKE_RUNNER='{"sleep": 0.005}')
        for _ in range(moment):
            wait_for(process, "finished")
        time.sleep(0.002 * moment)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        finished = statuses(runs, todo).count(RunStatus.OK)
        assert finished >= kept + moment, "reported is stored"
        assert not list(runs.rglob("*.damaged-*"))
        kept = finished
    tables = []
    for folder in (runs, tmp_path / "undisturbed"):
        left = [task for task, status in zip(todo, statuses(folder, todo), strict=True) if status is None]
        around = Surroundings(runs=folder, context=RunContext(), runner="fake_runner")
        summary = launching.launch(around, 0, left)
        assert (summary.failures, len(summary.finished)) == ([], len(left))
        assert not list(folder.rglob("*.damaged-*"))
        store = Store(folder)
        store.ingest()
        assert store.runs_frame()["run_id"].nunique() == 40
        tables.append((store.runs_frame().to_csv(), store.query("select * from predictions order by all").to_csv()))
    assert tables[0] == tables[1]


@pytest.mark.skipif(sys.platform != "linux", reason="Linux kills a process with its parent")
@pytest.mark.parametrize("whole", [True, False])
def test_workers_leave_when_their_parent_is_killed(whole: bool, tmp_path: Path):
    """The sweep, or the process that has forked them."""
    process = busy_sweep(tmp_path)
    (server,) = psutil.Process(process.pid).children()
    workers = server.children()
    assert len(workers) == 2
    (process if whole else server).kill()
    process.communicate()
    wait_until(lambda: all(map(ended, [server, *workers])), "the workers end", look=0.02)


def ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
