"""The Slurm launcher with a queue of local processes; with a real Slurm it is tested in tests/cluster."""

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
from local_queue import LocalQueue
from patience import PATIENCE

from bench.errors import LaunchError
from bench.record import RunStatus
from bench.results.shards import Shards
from bench.sweep.launch import slurm_chunk
from bench.sweep.launch.slurm import SlurmTransport
from bench.sweep.launch.slurm_chunk import ChunkFiles, ChunkJob
from bench.sweep.launch.slurm_job import own_gpu
from bench.sweep.launch.slurm_queue import SlurmQueue, job_command
from bench.sweep.launch.slurm_submission import arrays, submit
from bench.sweep.launch.tasks import DifficultyTask, FinishedTask, LaunchSummary, Outcome, RunTask, Surroundings, Task

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Slurm runs on POSIX systems")


def tasks(seeds: int = 4) -> list[Task]:
    return [RunTask(make_spec(seed=seed, dataset=f"d{seed % 2}")) for seed in range(1, seeds + 1)]


@pytest.fixture(autouse=True)
def importable(monkeypatch) -> None:
    """Jobs see the modules that this process sees, as sbatch passes its environment on."""
    import sys

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))


@pytest.fixture
def queue():
    queue = LocalQueue()
    yield queue
    queue.close()


def launch(
    surroundings: Surroundings, todo: list[Task], queue: LocalQueue, **options
) -> tuple[LaunchSummary, list[FinishedTask], list[str]]:
    seen: list[FinishedTask] = []
    notices: list[str] = []
    transport = SlurmTransport(surroundings, queue, look_seconds=0.05, **options)
    return launching.launch(transport, todo, on_finished=seen.append, on_notice=notices.append), seen, notices


def status(surroundings: Surroundings, todo: list[Task]) -> list[RunStatus | None]:
    return [Shards(surroundings.runs).status(task.spec.run_id) for task in todo if isinstance(task, RunTask)]


def test_jobs_do_chunks_and_report_as_they_go(surroundings: Surroundings, queue, behave):
    behave(fail=["seed 2"])
    todo = [*tasks(5), DifficultyTask("ViT-demo.drawn", "d0")]
    summary, seen, notices = launch(surroundings, todo, queue, runs_per_job=4)
    assert queue.arrays == [2]
    assert (len(summary.finished), summary.interrupted, list(summary.finished)) == (6, False, seen)
    assert [item.message for item in summary.failures] == ["loss became nan at step 3. Use a smaller recipe.lr."]
    assert status(surroundings, todo).count(RunStatus.OK) == 4
    assert Shards(surroundings.runs).difficulties.has("ViT-demo.drawn", "d0")
    assert re.fullmatch(r"Submitted 6 tasks as 2 jobs, starting with \d+_0\.", notices[0])


def test_a_job_that_dies_costs_the_run_it_was_at_and_the_rest_is_submitted_again(
    surroundings: Surroundings, queue, behave
):
    behave(die=["seed 3"])
    todo = tasks(6)
    summary, _, notices = launch(surroundings, todo, queue, runs_per_job=6)
    assert status(surroundings, todo) == [RunStatus.OK] * 2 + [RunStatus.FAILED] + [RunStatus.OK] * 3
    assert queue.arrays == [1, 1]
    (failure,) = summary.failures
    assert re.search(
        r"Slurm job \d+_0 ended \(FAILED\) during this run\. OUT_OF_MEMORY needs more --mem", failure.message
    )
    assert re.search(r"ended \(FAILED\) during coop on d1", notices[1])


def test_a_job_that_cannot_start_ends_the_sweep_with_the_end_of_its_log(surroundings: Surroundings, queue):
    broken = Surroundings(runs=surroundings.runs, context=surroundings.context, runner="no_such_runner")
    with pytest.raises(
        LaunchError, match=r"before its first run\. Last line of its log: .*'no_such_runner' cannot be imported"
    ):
        launch(broken, tasks(2), queue)


def test_not_waiting_returns_and_the_same_command_watches_instead_of_submitting_again(
    surroundings: Surroundings, queue, behave
):
    behave(sleep=0.3)
    todo = tasks(4)
    summary, _, _ = launch(surroundings, todo, queue, runs_per_job=2, wait=False)
    assert summary == LaunchSummary((), interrupted=False)
    more = [*todo, *tasks(6)[4:]]
    summary, _, notices = launch(surroundings, more, queue, runs_per_job=2)
    assert queue.arrays == [2, 1]
    assert notices[0] == "4 tasks already with Slurm: not submitted again."
    assert sorted(item.task.label for item in summary.finished) == sorted(task.label for task in more)


def test_a_job_that_starts_again_skips_what_its_journal_says_is_done(surroundings: Surroundings, tmp_path: Path):
    todo = tasks(3)
    files = ChunkFiles(tmp_path, 0)
    files.write(surroundings, todo)
    files.append(task=0, **FinishedTask(todo[0], Outcome.OK, 1.0).dump())
    files.append(task=1)
    with (tmp_path / "chunk-0.jsonl").open("a") as journal:
        journal.write('{"task": 2, "outc')  # torn: the machine went down
    ChunkJob(str(tmp_path), 0)()
    assert status(surroundings, todo) == [None, RunStatus.OK, RunStatus.OK]
    assert len(files.progress(todo).ended) == 3


def test_a_submission_that_was_asked_to_stop_takes_no_further_task(surroundings: Surroundings, tmp_path: Path):
    ChunkFiles(tmp_path, 0).write(surroundings, tasks(2))
    (tmp_path / "stop").touch()
    ChunkJob(str(tmp_path), 0)()
    assert status(surroundings, tasks(2)) == [None, None]


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c(surroundings: Surroundings, queue, behave, times: int):
    """Once: jobs finish what they are at. Twice: they are ended."""
    behave(sleep=0.3 if times == 1 else 60)

    def interrupt() -> None:
        while not any("with" in line for line in _journals(surroundings.runs)):
            time.sleep(0.02)
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.5)

    thread = threading.Thread(target=interrupt)
    thread.start()
    summary, _, notices = launch(surroundings, tasks(6), queue, runs_per_job=6)
    thread.join()
    assert summary.interrupted
    assert summary.failures == []
    assert queue.cancelled == [True, False][:times]
    assert "Stopping after the 1 current runs. Press Ctrl-C again to stop now." in notices
    assert len(summary.finished) < 6
    assert (times == 2) or len(summary.finished) >= 1


def _journals(runs: Path) -> list[str]:
    return [f"with {path.name}" for path in runs.glob("slurm/*/*.jsonl") if path.stat().st_size]


def test_chunks_keep_what_shares_features_together(surroundings: Surroundings, queue):
    todo = [*tasks(6), DifficultyTask("ViT-demo.drawn", "d1")]
    launch(surroundings, todo, queue, runs_per_job=3, wait=False)
    (folder,) = (surroundings.runs / "slurm").iterdir()
    portions = [ChunkFiles(folder, number).read()[1] for number in range(3)]
    assert [len(portion) for portion in portions] == [3, 3, 1]
    assert [task.pair[1] for portion in portions for task in portion].count("d1") == 4
    assert portions[0][0].label == "difficulty of d1 for ViT-demo.drawn"
    assert {task.pair[1] for task in portions[0]} == {"d1"}


def test_a_dry_run_knows_the_arrays():
    assert arrays(0, 20) == []
    assert arrays(41, 20) == [3]
    assert arrays(2001, 1) == [1000, 1000, 1]
    assert arrays(41, 5, workers=4) == [3]


def test_the_script_says_what_was_asked_for():
    queue = SlurmQueue(
        minutes=90,
        cpus=4,
        gpus=2,
        partition="gpu",
        memory="16G",
        parallel=8,
        extra={"account": "me", "exclusive": True},
    )
    text = queue.script(Path("/shared/runs/slurm/S"), 40)
    for line in (
        "#SBATCH --array=0-39%8",
        "#SBATCH --time=90",
        "#SBATCH --cpus-per-task=4",
        "#SBATCH --gpus-per-node=2",
        "#SBATCH --ntasks-per-node=2",
        "#SBATCH --partition=gpu",
        "#SBATCH --mem=16G",
        "#SBATCH --account=me",
        "#SBATCH --exclusive",
        "export OMP_NUM_THREADS=4",
    ):
        assert line in text.splitlines()
    assert re.search(r"^srun .* -u -m bench\.launch\.slurm_job /shared/runs/slurm/S 90 2$", text, flags=re.M)
    assert re.search(r"^srun .*--cpus-per-task=4 --ntasks=2 --kill-on-bad-exit=0 --wait=0 ", text, flags=re.M)
    assert "--array" not in queue.script(Path("s"), 1)
    assert "ntasks" not in SlurmQueue(minutes=1, gpus=1).script(Path("s"), 1)


def test_each_gpu_of_a_job_has_a_worker_of_its_own(
    surroundings: Surroundings, tmp_path: Path, behave, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    behave(gpus=str(tmp_path / "gpus"))
    queue, todo = LocalQueue(workers=2), tasks(5)
    summary, _, notices = launch(surroundings, todo, queue, runs_per_job=2)
    queue.close()
    assert (status(surroundings, todo), summary.failures) == ([RunStatus.OK] * 5, [])
    assert queue.arrays == [2], "three chunks on four GPUs"
    assert notices[0].startswith("Submitted 5 tasks as 2 jobs, starting with ")
    assert sorted((tmp_path / "gpus").read_text().split()) == ["4", "4", "4", "6", "6"]


def test_a_worker_that_dies_leaves_the_other_gpus_of_its_job_at_work(surroundings: Surroundings, behave):
    behave(die=["seed 1"])
    queue, todo = LocalQueue(workers=2), tasks(4)
    summary, *_ = launch(surroundings, todo, queue, runs_per_job=2)
    queue.close()
    assert status(surroundings, todo).count(RunStatus.OK) == 3
    assert len(summary.failures) == 1


@pytest.mark.parametrize(
    ("visible", "place", "own"),
    [("4,6", 0, "4"), ("4,6", 1, "6"), ("7", 1, "7"), (None, 1, "1"), ("", 0, "0"), ("GPU-a, GPU-b", 1, "GPU-b")],
)
def test_a_worker_takes_the_gpu_at_its_place(visible: str | None, place: int, own: str):
    assert own_gpu(visible, place) == own


def test_without_sbatch_it_says_where_to_go(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(LaunchError, match=r"there is no sbatch on the PATH.*login node.*--launcher local"):
        SlurmQueue(minutes=1).check()


def test_the_message_of_sbatch_is_passed_on(tmp_path: Path, monkeypatch, surroundings: Surroundings):
    for name in ("sbatch", "srun"):
        tool = tmp_path / "bin" / name
        tool.parent.mkdir(exist_ok=True)
        tool.write_text("#!/bin/sh\necho 'sbatch: error: Requested node configuration is not available' >&2\nexit 1\n")
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    transport = SlurmTransport(surroundings, SlurmQueue(minutes=1, gpus=99))
    with pytest.raises(
        LaunchError, match="sbatch rejects the jobs: sbatch: error: Requested node configuration is not"
    ):
        launching.launch(transport, tasks(2))
    assert list((surroundings.runs / "slurm").iterdir()) == []


FAKE_SLURM = """#!{python}
import os, subprocess, sys
name, folder = os.path.basename(sys.argv[0]), {folder!r}
if name == "sbatch":
    text = open(sys.argv[-1]).read()
    count = int(next(line for line in text.splitlines() if "--array=0-" in line).split("=0-")[1].split("%")[0]) + 1
    for number in range(count):
        variables = {{"SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": str(number), "SLURM_JOB_ID": str(8 + number)}}
        log = open(os.path.join(folder, f"job-{{number}}.log"), "wb")
        subprocess.Popen(["bash", sys.argv[-1]], env=os.environ | variables, stdout=log, stderr=log)
    print("7;cluster")
elif name == "srun":
    start = sys.argv.index({python!r})
    os.execv(sys.argv[start], sys.argv[start:])
elif name == "scontrol":
    open(os.path.join(folder, "requeued"), "a").write(" ".join(sys.argv[1:]) + "\\n")
elif name == "squeue":
    print("8 7 0\\n9 7 1")
"""


@pytest.fixture
def fake_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Slurm's commands, which run the submitted script here at once; `requeued` lists what was requeued."""
    folder = tmp_path / "slurm-bin"
    folder.mkdir()
    for name in ("sbatch", "srun", "squeue", "scontrol", "scancel"):
        (folder / name).write_text(FAKE_SLURM.format(python=sys.executable, folder=str(tmp_path)))
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return tmp_path


def test_the_script_runs_its_jobs_from_json_alone(surroundings: Surroundings, fake_slurm: Path, behave):
    transport = SlurmTransport(surroundings, SlurmQueue(minutes=60), runs_per_job=2, look_seconds=0.05)
    summary = launching.launch(transport, tasks(4))
    assert status(surroundings, tasks(4)) == [RunStatus.OK] * 4
    assert len(summary.finished) == 4
    (folder,) = (surroundings.runs / "slurm").iterdir()
    files = sorted(path.name for path in folder.iterdir())
    assert files == ["chunk-0.json", "chunk-0.jsonl", "chunk-1.json", "chunk-1.jsonl", "jobs.json", "submission.sh"]
    assert json.loads((folder / "jobs.json").read_text()) == ["7_0", "7_1"]


@pytest.mark.parametrize(("minutes", "before", "again"), [(60, 99, True), (1, 9, True), (1, 10, False)])
def test_a_job_is_requeued_before_its_time_is_over(
    surroundings: Surroundings, fake_slurm: Path, behave, minutes: int, before: int, again: bool
):
    """A preemption, which comes before the time is over, does not count; the time may end ten times."""
    behave(sleep=60)
    folder = surroundings.runs / "slurm" / "s"
    folder.mkdir(parents=True)
    files = ChunkFiles(folder, 0)
    files.write(surroundings, tasks(1))
    for _ in range(before):
        files.append(timeout=True)
    job = subprocess.Popen(job_command(folder, minutes), env=os.environ | {"SLURM_JOB_ID": "8"})
    leases = surroundings.runs / "leases"
    while not list(leases.glob("[0-9a-f]*")):
        assert job.poll() is None
        time.sleep(0.02)
    job.send_signal(signal.SIGTERM)
    job.send_signal(signal.SIGUSR2)
    assert job.wait(timeout=PATIENCE) == 1
    requeued = fake_slurm / "requeued"
    assert (requeued.read_text() if requeued.exists() else "") == ("requeue 8\n" if again else "")
    assert not list(leases.glob("[0-9a-f]*")), "the next start takes the run at once"
    assert files.progress(tasks(1)).timeouts == before + (minutes == 1 and again)


def test_a_chunk_is_never_unpickled():
    """A pickle would run code of whoever can write the folder of a submission."""
    launch = Path(slurm_chunk.__file__).parent
    found = [path.name for path in launch.glob("slurm*.py") if re.search("submitit|import pickle", path.read_text())]
    assert found == []


def test_what_a_job_reads_can_be_written_by_its_owner_alone(surroundings: Surroundings):
    """Whoever may write the file of a job decides what runs as the person who submitted it."""
    before = os.umask(0o002)
    try:
        (job,) = submit(surroundings, _Accepting(), [tasks(1)])
    finally:
        os.umask(before)
    for place in (job.files.folder, job.files.folder.parent):
        assert not place.stat().st_mode & 0o022, place
    surroundings.runs.chmod(0o777)
    with pytest.raises(LaunchError, match=r"Everyone may write .*runs.*chmod o-w .*give another --runs"):
        submit(surroundings, _Accepting(), [tasks(1)])
    surroundings.runs.chmod(0o1777)
    submit(surroundings, _Accepting(), [tasks(1)])


class _Accepting(SlurmQueue):
    """A queue that accepts every submission and starts none."""

    def __init__(self) -> None:
        super().__init__(minutes=1)

    def submit(self, folder: Path, jobs: int) -> list[str]:
        return [f"1_{number}" for number in range(jobs)]
