"""The Slurm launcher on a real Slurm: slurmctld and slurmd of this machine, started for the test on loopback."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_runner import make_spec
from launching import launch

from bench.context import RunContext
from bench.errors import LaunchError
from bench.record import RunStatus
from bench.results.shards import Shards
from bench.sweep.launch.slurm import SlurmTransport
from bench.sweep.launch.slurm_queue import SlurmQueue
from bench.sweep.launch.tasks import LaunchSummary, RunTask, Surroundings, Task

SCRIPT = Path(__file__).with_name("one_node_slurm.sh")
COMMANDS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol")

pytestmark = pytest.mark.slow  # `tests/bench/sweep/launch/test_slurm.py` has a queue of local processes in its place


def _what_is_missing() -> str | None:
    places = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"])
    absent = [name for name in COMMANDS if shutil.which(name, path=places) is None]
    if absent:
        return f"no {', '.join(absent)} here: apt-get install slurmctld slurmd slurm-client munge"
    if os.geteuid() != 0:
        return "slurmd starts jobs as their users, which takes root"
    return None


@pytest.fixture(scope="module")
def slurm():
    """A cluster of one node with two cores; ended afterwards."""
    if (missing := _what_is_missing()) is not None:
        pytest.skip(missing)
    with pytest.MonkeyPatch.context() as patch:
        folder = Path(subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip())
        folder.chmod(0o755)  # munged refuses a socket in a folder that others cannot enter
        patch.setenv("PATH", f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
        up = subprocess.run(["sh", str(SCRIPT), "up", str(folder)], capture_output=True, text=True, check=False)
        try:
            if up.returncode:
                pytest.skip(f"Slurm does not start here: {(up.stderr or up.stdout).strip()[-500:]}")
            patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
            patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
            yield folder
            subprocess.run(["scancel", "--me"], check=False)
        finally:
            subprocess.run(["sh", str(SCRIPT), "down", str(folder)], check=False)
            shutil.rmtree(folder, ignore_errors=True)


def tasks(seeds: int) -> list[Task]:
    return [RunTask(make_spec(seed=seed)) for seed in range(1, seeds + 1)]


def launch_on_slurm(
    todo: list[Task], runs: Path, *, notices: list[str] | None = None, gpus: int = 0, cpus: int = 1, **options
) -> LaunchSummary:
    surroundings = Surroundings(runs=runs, context=RunContext(), runner="fake_runner")
    queue = SlurmQueue(minutes=10, gpus=gpus, cpus=cpus, extra={"requeue": True})
    queue.check()
    transport = SlurmTransport(surroundings, queue, look_seconds=0.3, **options)
    return launch(transport, todo, on_notice=(notices if notices is not None else []).append)


def when(happened: Callable[[], bool], act: Callable[[], object]) -> threading.Thread:
    """Do something beside the launch, as soon as something has happened."""

    def watch() -> None:
        while not happened():
            time.sleep(0.05)
        act()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def finished(runs: Path) -> int:
    return len(Shards(runs).scan())


def begun(runs: Path) -> list[int]:
    """The numbers of tasks in the order in which a single job began them."""
    (journal,) = runs.glob("slurm/*/chunk-0.jsonl")
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    return [line["task"] for line in lines if "task" in line and "outcome" not in line]


def job_of(runs: Path) -> str:
    (jobs,) = runs.glob("slurm/*/jobs.json")
    return str(json.loads(jobs.read_text())[0])


def test_an_array_of_jobs_does_all_runs(slurm: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("FAKE_RUNNER", json.dumps({"fail": ["seed 2"]}))
    todo = tasks(7)
    summary = launch_on_slurm(todo, tmp_path, runs_per_job=3)
    assert [item.message for item in summary.failures] == ["loss became nan at step 3. Use a smaller recipe.lr."]
    assert len(summary.finished) == 7
    assert finished(tmp_path) == 7


@pytest.mark.parametrize("how", ["requeue", "signal"])
def test_a_job_that_is_put_back_into_the_queue_goes_on_where_it_was(slurm: Path, tmp_path: Path, monkeypatch, how: str):
    """By an administrator or preemption (`scontrol requeue`), and by the signal that Slurm sends before time is up."""
    monkeypatch.setenv("FAKE_RUNNER", json.dumps({"sleep": 4}))

    def put_back() -> None:
        job = job_of(tmp_path)
        command = ["scontrol", "requeue", job] if how == "requeue" else ["scancel", "--signal=USR2", job]
        subprocess.run(command, check=True)

    thread = when(lambda: finished(tmp_path) >= 1, put_back)
    summary = launch_on_slurm(tasks(3), tmp_path, runs_per_job=3)
    thread.join()
    assert (len(summary.finished), summary.failures) == (3, [])
    order = begun(tmp_path)
    assert sorted(set(order)) == list(range(3))
    assert len(order) == 4, "only the run that was cut off is done twice"


def test_a_job_cancelled_by_somebody_costs_the_run_it_was_at(slurm: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("FAKE_RUNNER", json.dumps({"sleep": 4}))
    notices: list[str] = []
    thread = when(
        lambda: finished(tmp_path) >= 1, lambda: subprocess.run(["scancel", "--full", job_of(tmp_path)], check=True)
    )
    summary = launch_on_slurm(tasks(3), tmp_path, notices=notices, runs_per_job=3)
    thread.join()
    assert len(summary.finished) == 3
    assert len(summary.failures) == 1
    assert "(CANCELLED) during this run" in summary.failures[0].message
    assert [Shards(tmp_path).status(task.spec.run_id) for task in tasks(3)].count(RunStatus.OK) == 2


def test_not_waiting_and_asking_again(slurm: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("FAKE_RUNNER", json.dumps({"sleep": 0.4}))
    todo, notices = tasks(4), []
    assert launch_on_slurm(todo, tmp_path, wait=False).finished == ()
    summary = launch_on_slurm(todo, tmp_path, notices=notices)
    assert notices[0].startswith("4 tasks already with Slurm")
    assert len(summary.finished) == 4
    assert len(list(tmp_path.glob("slurm/*"))) == 1


def test_a_job_with_two_gpus_has_a_worker_on_each(slurm: Path, tmp_path: Path, monkeypatch):
    """An array of two jobs, one after the other, since the node has two cores and two GPUs."""
    seen = tmp_path / "gpus"
    monkeypatch.setenv("FAKE_RUNNER", json.dumps({"gpus": str(seen), "sleep": 0.5}))
    summary = launch_on_slurm(tasks(6), tmp_path / "runs", gpus=2, runs_per_job=2)
    assert (len(summary.finished), summary.failures) == (6, [])
    assert set(seen.read_text().split()) == {"0", "1"}
    assert len(seen.read_text().split()) == 6


def test_a_worker_has_all_cores_of_its_task(slurm: Path, tmp_path: Path, monkeypatch):
    seen = tmp_path / "environment"
    monkeypatch.setenv("FAKE_RUNNER", json.dumps({"environment": str(seen)}))
    assert len(launch_on_slurm(tasks(1), tmp_path / "runs", cpus=2).finished) == 1
    found = json.loads(seen.read_text())
    assert (found["SLURM_CPUS_PER_TASK"], found["SLURM_CPUS_ON_NODE"], found["OMP_NUM_THREADS"]) == ("2", "2", "2")


def test_more_gpus_than_there_are_is_refused_in_slurms_words(slurm: Path, tmp_path: Path):
    with pytest.raises(LaunchError, match="sbatch rejects the jobs: sbatch: error: "):
        launch_on_slurm(tasks(1), tmp_path, gpus=4)
