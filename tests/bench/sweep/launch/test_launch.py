import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import launching
import pytest
from fake_runner import make_spec
from patience import PATIENCE, wait_until

from bench.context import RunContext
from bench.errors import BenchError
from bench.record import RunStatus
from bench.results.database import Store
from bench.results.shards import Shards
from bench.sweep.launch.claims import Claims, remove_leftovers
from bench.sweep.launch.task_executor import load_runner
from bench.sweep.launch.tasks import (
    DifficultyTask,
    LaunchSummary,
    Outcome,
    RunTask,
    Surroundings,
    Task,
)
from bench.sweep.launch.worker import OpenTasks

BACKBONE = "ViT-demo.drawn"


def tasks(seeds: int = 4, **changes) -> list[Task]:
    return [RunTask(make_spec(seed=seed, **changes)) for seed in range(1, seeds + 1)]


METHODS = pytest.mark.parametrize("method", ["fork", "spawn"])
"""Both ways to start a worker; on Linux workers are forked."""


@pytest.fixture(params=["inline", "fork", "spawn"])
def launch(request, surroundings: Surroundings):
    """Both launchers, by one call."""

    def launch(todo: list[Task], seen: list | None = None) -> LaunchSummary:
        jobs = 0 if request.param == "inline" else 2
        reported = seen if seen is not None else []
        return launching.launch(surroundings, jobs, todo, method=request.param, on_finished=reported.append)

    return launch


def statuses(runs: Path, todo: list[Task]) -> list[RunStatus | None]:
    return [Shards(runs).status(task.spec.run_id) for task in todo if isinstance(task, RunTask)]


def test_every_task_ends_as_a_shard(launch, surroundings: Surroundings):
    todo = [*tasks(), DifficultyTask(BACKBONE, "spectrum_a")]
    seen: list = []
    summary = launch(todo, seen)
    assert (len(summary.finished), summary.failures, summary.interrupted) == (5, [], False)
    assert len(seen) == 5
    assert statuses(surroundings.runs, todo) == [RunStatus.OK] * 4
    assert Shards(surroundings.runs).difficulties.has(BACKBONE, "spectrum_a")


def test_a_failure_is_a_shard_and_the_sweep_goes_on(launch, surroundings: Surroundings, behave):
    behave(fail=["seed 2"], no_difficulty=["spectrum"])
    todo = [*tasks(), DifficultyTask(BACKBONE, "spectrum_a")]
    summary = launch(todo)
    assert statuses(surroundings.runs, todo) == [RunStatus.OK, RunStatus.FAILED, RunStatus.OK, RunStatus.OK]
    assert [(item.task.label, item.message) for item in summary.failures] == [
        ("coop on spectrum_a, base-to-new, 16 shots, seed 2", "loss became nan at step 3. Use a smaller recipe.lr.")
    ]
    assert [(item.task.label, item.message) for item in summary.unmeasured] == [
        (f"difficulty of spectrum_a for {BACKBONE}", "no class names")
    ]
    shard = Shards(surroundings.runs).read(todo[1].spec.run_id)
    assert shard is not None
    assert shard.record.error is not None
    assert shard.record.error.kind == "NonFiniteLossError"


def test_no_tasks_are_no_work(launch):
    assert launch([]) == LaunchSummary((), interrupted=False)


@METHODS
@pytest.mark.parametrize(
    ("die", "reason"),
    [
        ({"die": ["seed 2"]}, r"worker died with signal 9 \(SIGKILL\)"),
        ({"leave": ["seed 2"]}, "ended with exit code 7"),
    ],
)
def test_a_worker_that_dies_costs_only_its_run(method: str, surroundings: Surroundings, behave, die, reason: str):
    behave(**die)
    notices: list[str] = []
    todo = tasks(6)
    summary = launching.launch(surroundings, 1, todo, method=method, on_notice=notices.append)
    assert [item.outcome for item in summary.finished].count(Outcome.OK) == 5
    assert statuses(surroundings.runs, todo).count(RunStatus.FAILED) == 1
    (failure,) = summary.failures
    assert failure.task.spec == todo[1].spec
    assert re.search(reason, failure.message)
    assert re.search(reason.removeprefix("worker "), notices[0])
    assert (failure.killed, failure.memory) == ("die" in die, False)


@METHODS
def test_a_runner_that_cannot_be_imported_ends_the_sweep(method: str, surroundings: Surroundings):
    broken = Surroundings(runs=surroundings.runs, context=surroundings.context, runner="no_such_runner")
    with pytest.raises(BenchError, match="'no_such_runner' cannot be imported"):
        launching.launch(broken, 2, tasks(), method=method)


def test_a_runner_must_have_every_function():
    with pytest.raises(BenchError, match="'json' lacks run_experiment, failed_record"):
        load_runner("json")
    with pytest.raises(BenchError, match="'no_such_runner' cannot be imported"):
        load_runner("no_such_runner")


@METHODS
def test_workers_get_their_number_of_threads(
    method: str, surroundings: Surroundings, tmp_path: Path, behave, monkeypatch
):
    behave(environment=str(tmp_path / "environment"))
    monkeypatch.setenv("MKL_NUM_THREADS", "2")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    around = surroundings.model_copy(update={"context": RunContext(threads=3)})
    launching.launch(around, 1, tasks(1), method=method)
    found = json.loads((tmp_path / "environment").read_text())
    wanted = {"OMP_NUM_THREADS": "3", "MKL_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "3"}
    assert {name: found[name] for name in wanted} == wanted


# --- the order of tasks ----------------------------------------------------------------------------------------------


def grid(datasets: int, seeds: int, methods: int = 2) -> list[Task]:
    return [
        RunTask(make_spec(dataset=f"d{d}", seed=s, method=f"m{m}"))
        for m in range(methods)
        for s in range(seeds)
        for d in range(datasets)
    ]


@pytest.fixture
def worker(tmp_path: Path):
    """Make a worker of one sweep in this folder: a function that gives its next task, or None."""
    holders = []

    def worker(todo: list[Task], first: int = 0, heads: bool | None = None):
        claims = Claims(tmp_path, "worker")
        holders.append(claims)
        claims.__enter__()
        waiting = OpenTasks(todo, claims, Shards(tmp_path), first, heads)
        settled: set[str] = set()

        def take() -> Task | None:
            task = waiting.take(settled)
            if task is not None:
                settled.add(task.key)
                done.add(task.key)
            return task

        return take

    done: set[str] = set()
    worker.done = done  # all keys that somebody took
    yield worker
    for claims in holders:
        claims.__exit__()


def test_a_worker_stays_with_its_features(worker):
    take = worker(grid(2, 2))
    groups = [task.group for _ in range(8) if (task := take()) is not None]
    assert [group[1:] for group in groups] == [("d0", 0)] * 2 + [("d0", 1)] * 2 + [("d1", 0)] * 2 + [("d1", 1)] * 2
    assert take() is None


def test_each_worker_begins_at_its_own_place_of_the_plan(worker):
    first, second = (worker(grid(2, 2), place)() for place in (0, 2))
    assert first is not None
    assert second is not None
    assert first.group[:2] != second.group[:2]


def test_a_group_that_another_worker_has_begun_comes_last_and_from_its_end(worker):
    todo = grid(2, 2)
    other, take = worker(todo), worker(todo)
    begun = other()
    assert begun is not None
    groups = [task.group for _ in range(6) if (task := take()) is not None]
    assert begun.group not in groups
    help_task = take()
    assert help_task is not None
    assert help_task.group == begun.group
    assert help_task.key != begun.key
    assert take() is None


def test_no_worker_idles_while_a_group_has_tasks(worker):
    todo = grid(1, 1, methods=5)
    takes = [worker(todo) for _ in range(3)]
    taken = [takes[i]() for i in (0, 1, 2, 0, 1)]
    assert None not in taken
    assert len({task.key for task in taken if task is not None}) == 5


def test_a_difficulty_comes_first_in_its_place(worker):
    todo = [*grid(2, 1), DifficultyTask(BACKBONE, "d1"), DifficultyTask(BACKBONE, "d9")]
    take = worker(todo)
    order = [task.label for _ in range(6) if (task := take()) is not None]
    assert order.index(f"difficulty of d1 for {BACKBONE}") == 2
    assert order[-1] == f"difficulty of d9 for {BACKBONE}"


def test_all_tasks_are_taken_exactly_once(worker):
    todo = [*grid(3, 2, methods=3), *(DifficultyTask(BACKBONE, f"d{d}") for d in range(3))]
    takes = [worker(todo, place) for place in range(4)]
    taken, turn = [], 0
    while (task := takes[turn % 4]()) is not None:
        taken.append(task)
        turn = turn * 7 + 3
    assert sorted(task.label for task in taken) == sorted(task.label for task in todo)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_a_worker_finishes_a_backbone_before_it_begins_the_next(workers: int, worker):
    """So that it loads each backbone once, in whatever order the tasks were planned."""
    backbones = ("b0", "b1", "b2", "b3")
    todo = [
        RunTask(make_spec(dataset=f"d{d}", backbone=backbone, seed=seed))
        for d in range(3)
        for seed in range(2)
        for backbone in backbones
    ]
    takes = [worker(todo, 24 // 4 * place) for place in range(workers)]
    seen: list[list[str]] = [[] for _ in range(workers)]
    turn = 0
    while (task := takes[turn % workers]()) is not None:
        seen[turn % workers].append(task.group[0])
        turn += 1
    assert turn == len(todo)
    for taken in seen:
        assert len([one for one, _ in itertools.groupby(taken)]) == len(set(taken))


# --- interruptions ----------------------------------------------------------------------------------------------------

SWEEP = """
import json, sys
from pathlib import Path
from bench.context import RunContext
from bench.sweep.launch.tasks import DifficultyTask, RunTask, Surroundings
from bench.results.shards import Shards
from fake_runner import make_spec
from launching import launch
runs, jobs, seeds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
specs = [make_spec(seed=seed, dataset=f"d{seed % 3}") for seed in range(seeds)]
shards = Shards(runs)
tasks = [RunTask(spec) for spec in specs if shards.status(spec.run_id) is None]
around = Surroundings(runs=runs, context=RunContext(), runner="fake_runner")
say = lambda text: print(text, flush=True)
summary = launch(around, jobs, tasks, on_finished=lambda item: say("finished"), on_notice=say)
damaged = len(list(runs.rglob("*.damaged-*")))
print("damaged", damaged, "interrupted", summary.interrupted, "failed", len(summary.failures))
"""


def start_sweep(runs: Path, *, jobs: int, seeds: int, **behaviour) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "FAKE_RUNNER": json.dumps(behaviour)}
    return subprocess.Popen(
        [sys.executable, "-c", SWEEP, str(runs), str(jobs), str(seeds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        start_new_session=True,
    )


def wait_for(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if word in line:
            return
    raise AssertionError(f"the sweep ended without saying {word!r}")


def test_a_sweep_killed_at_any_moment_keeps_what_is_finished_and_ends_like_an_undisturbed_one(tmp_path: Path):
    seeds, runs = 40, tmp_path / "disturbed"
    kept = 0
    for moment in (0, 1, 3, 6, 10):
        process = start_sweep(runs, jobs=2, seeds=seeds, sleep=0.005)
        for _ in range(moment):
            wait_for(process, "finished")
        time.sleep(0.002 * moment)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        shards = Shards(runs)
        finished = [run_id for run_id in shards.scan() if shards.status(run_id) is RunStatus.OK]
        assert len(finished) >= kept + moment, "reported is stored"
        assert not list(runs.rglob("*.damaged-*"))
        kept = len(finished)
    for folder in (runs, tmp_path / "undisturbed"):
        output, _ = start_sweep(folder, jobs=2, seeds=seeds).communicate(timeout=PATIENCE)
        assert "damaged 0 interrupted False failed 0" in output
    tables = []
    for folder in (runs, tmp_path / "undisturbed"):
        store = Store(folder)
        store.ingest()
        assert store.runs_frame()["run_id"].nunique() == seeds
        tables.append((store.runs_frame().to_csv(), store.query("select * from predictions order by all").to_csv()))
    assert tables[0] == tables[1]


def test_ctrl_c_once_finishes_current_runs_and_stops(tmp_path: Path):
    process = start_sweep(tmp_path, jobs=2, seeds=200, sleep=0.05)
    wait_for(process, "finished")
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=PATIENCE)
    assert "Stopping" in output  # after current runs, or at once between two runs
    assert "interrupted True failed 0" in output
    done = len(Shards(tmp_path).scan())
    assert 1 <= done < 200
    assert process.returncode == 0


def test_ctrl_c_twice_stops_at_once_and_records_nothing(tmp_path: Path):
    journal = tmp_path / "journal"
    process = start_sweep(tmp_path, jobs=2, seeds=4, hang=["seed"], journal=str(journal))
    while not journal.exists() or len(journal.read_text().split()) < 2:  # until both workers are busy
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    wait_for(process, "Stopping after the 2 current runs")
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=PATIENCE)
    assert "interrupted True failed 0" in output
    assert Shards(tmp_path).scan() == {}


@pytest.mark.parametrize("jobs", [0, 2])
def test_a_request_to_terminate_stops_at_once_and_frees_what_was_claimed(jobs: int, tmp_path: Path):
    process = start_sweep(tmp_path, jobs=jobs, seeds=200, sleep=0.05)
    wait_for(process, "finished")
    process.terminate()
    output, _ = process.communicate(timeout=PATIENCE)
    assert "interrupted True failed 0" in output
    assert 1 <= len(Shards(tmp_path).scan()) < 200
    remove_leftovers(tmp_path)  # as the command does then
    assert [*(tmp_path / "claims").glob("*.json"), *(tmp_path / "live").glob("*.json")] == []


def test_ctrl_c_without_workers(tmp_path: Path):
    process = start_sweep(tmp_path, jobs=0, seeds=200, sleep=0.05)
    wait_for(process, "finished")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=PATIENCE)
    assert "interrupted True failed 0" in output
    assert 1 <= len(Shards(tmp_path).scan()) < 200


def test_workers_leave_when_their_parent_is_killed(tmp_path: Path):
    process = start_sweep(tmp_path, jobs=2, seeds=4, hang=["seed 1", "seed 2"])
    wait_for(process, "finished")
    (server,) = _children(process.pid)
    workers = [server, *_children(server)]
    assert len(workers) == 3
    process.kill()
    process.communicate()
    wait_until(lambda: not any(_alive(pid) for pid in workers), "the workers end", look=0.02)


def test_a_launch_outside_the_main_thread_works(surroundings: Surroundings):
    """Signal handlers cannot be set there, and need not."""
    done: list[LaunchSummary] = []
    thread = threading.Thread(target=lambda: done.append(launching.launch(surroundings, 1, tasks(2))))
    thread.start()
    thread.join()
    assert len(done[0].finished) == 2


def _children(pid: int) -> list[int]:
    listing = Path(f"/proc/{pid}/task/{pid}/children")
    if not listing.exists():
        pytest.skip("needs /proc")
    return [int(child) for child in listing.read_text().split()]


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
