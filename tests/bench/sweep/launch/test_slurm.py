"""The Slurm launcher with commands that run the jobs here; with a real Slurm it is tested in tests/cluster."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_slurm import FakeSlurm
from patience import wait_until

from bench.errors import LaunchError
from bench.record import RunStatus
from bench.results.shards import Shards
from bench.sweep import LogStyle, SweepLog, SweepOutcome, SweepRequest, carry_out, make_plan, read_sweep_file
from bench.sweep.driver import check_launch, job_script, plan_tasks
from bench.sweep.launch import slurm
from bench.sweep.launch.slurm import JobArray, submitted_tasks, write_submission
from bench.sweep.launch.tasks import FinishedTask, Task
from bench.sweep.launchers import job_array, job_request
from bench.sweep.progress import Tally, open_log

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Slurm runs on POSIX systems")


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSlurm]:
    monkeypatch.setattr(slurm.watch, "__kwdefaults__", {"look_seconds": 0.1, "settle_seconds": 0.3})
    cluster = FakeSlurm(tmp_path / "cluster", monkeypatch)
    yield cluster
    cluster.close()


class Heard(SweepLog):
    """Keeps what a sweep reports."""

    def __init__(self) -> None:
        self.notices: list[str] = []
        self.items: list[FinishedTask] = []

    def notice(self, text: str) -> None:
        self.notices.append(text)

    def finished(self, item: FinishedTask, tally: Tally, *, again: bool) -> None:
        self.items.append(item)


def request_in(runs: Path, seeds: int = 4, **options: object) -> SweepRequest:
    values = {"methods": "coop", "datasets": "spectrum_basic", "launcher": "slurm", "runner": "fake_runner"}
    return SweepRequest.build(**values | {"seeds": seeds, "runs": runs, "cache": runs / "cache"} | options)


def sweep(request: SweepRequest, log: SweepLog | None = None) -> SweepOutcome:
    log = log or Heard()
    return carry_out(make_plan(request, log), request, log)


def tasks_of(request: SweepRequest) -> list[Task]:
    return plan_tasks(make_plan(request, SweepLog()), request)


def statuses(runs: Path) -> list[RunStatus | None]:
    shards = Shards(runs)
    return [shards.status(entry.run_id) for entry in shards.scan()]


def the_submission(runs: Path) -> Path:
    (folder,) = (runs / "slurm").iterdir()
    return folder


def meanwhile(happened: Callable[[], object], act: Callable[[], object]) -> threading.Thread:
    """Act in another thread, as soon as something has happened."""

    def watch() -> None:
        wait_until(happened)
        act()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def leases(runs: Path) -> list[Path]:
    return list((runs / "leases").glob("[0-9a-f]*.json"))


def test_the_jobs_of_an_array_share_the_sweep(cluster: FakeSlurm, tmp_path: Path, behave) -> None:
    journal = tmp_path / "journal"
    behave(fail=["seed 2"], journal=str(journal), sleep=0.2)
    log, runs = Heard(), tmp_path / "runs"
    outcome = sweep(request_in(runs, 6, jobs=2), log)
    assert (len(outcome.summary.finished), outcome.summary.interrupted, outcome.exit_code) == (7, False, 1)
    assert [item.message for item in outcome.summary.failures] == [
        "loss became nan at step 3. Use a smaller recipe.lr."
    ]
    assert sorted(map(str, statuses(runs))) == ["failed", *["ok"] * 5]
    assert all(item.here and item.seconds >= 0 for item in log.items)
    started = journal.read_text().split()
    assert len(started) == len(set(started)) == 6, "no run is computed twice, not even the failed one"
    assert log.notices[-2].startswith("Submitted 7 tasks as 2 jobs: Slurm array 7, in ")
    assert re.search(r"seed 2.* has failed; its job may try again: loss became nan", log.notices[-1])
    assert sorted(path.name for path in the_submission(runs).iterdir()) == [
        "0.log",
        "1.log",
        "job",
        "submission.sh",
        "sweep.toml",
        "tasks.json",
    ]


def test_a_failed_run_is_computed_once_by_all_jobs_and_again_by_the_next_sweep(
    cluster: FakeSlurm, tmp_path: Path, behave
) -> None:
    """A job that starts late plans again; the submission says what had failed before."""
    journal, heal = tmp_path / "journal", tmp_path / "heal"
    behave(fail=["seed"], journal=str(journal), heal=str(heal))
    request = request_in(tmp_path / "runs", 2, jobs=1)
    assert len(sweep(request).summary.failures) == 2
    job = job_request(request, the_submission(request.runs) / "tasks.json")
    again = sweep(job)
    assert [item.message for item in again.summary.failures] == ["it failed in another sweep"] * 2
    assert len(journal.read_text().split()) == 2
    heal.touch()
    assert sweep(request).exit_code == 0
    assert len(journal.read_text().split()) == 4


def test_rerun_all_computes_each_run_once(cluster: FakeSlurm, tmp_path: Path, behave) -> None:
    journal = tmp_path / "journal"
    behave(journal=str(journal))
    request = request_in(tmp_path / "runs", 3, jobs=2)
    sweep(request)
    assert sweep(request_in(tmp_path / "runs", 3, jobs=2, rerun="all")).exit_code == 0
    assert len(journal.read_text().split()) == 6


def test_retries_of_a_job_are_awaited(cluster: FakeSlurm, tmp_path: Path, behave) -> None:
    behave(needs_batch=8)
    log = Heard()
    outcome = sweep(request_in(tmp_path / "runs", 1), log)
    assert outcome.exit_code == 0, outcome.failed
    assert statuses(tmp_path / "runs") == [RunStatus.OK]


def test_not_waiting_and_the_same_command_again(cluster: FakeSlurm, tmp_path: Path, behave) -> None:
    behave(sleep=0.5)
    runs, log = tmp_path / "runs", Heard()
    outcome = sweep(request_in(runs, 4, no_wait=True))
    assert (outcome.summary.finished, outcome.exit_code) == ((), 0)
    outcome = sweep(request_in(runs, 6), log)
    assert (len(outcome.summary.finished), outcome.exit_code) == (7, 0)
    assert "5 tasks already with Slurm: not submitted again." in log.notices
    assert [call.startswith("Submitted 2 tasks as 1 job: Slurm array 8") for call in log.notices].count(True) == 1
    assert len(cluster.calls("sbatch")) == 2


def test_nothing_is_submitted_when_nothing_is_left(cluster: FakeSlurm, tmp_path: Path, behave) -> None:
    request = request_in(tmp_path / "runs", 1)
    sweep(request)
    assert sweep(request).exit_code == 0
    assert len(cluster.calls("sbatch")) == 1


def test_jobs_that_end_too_early_say_how_to_go_on(cluster: FakeSlurm, tmp_path: Path, behave) -> None:
    behave(sleep=0.3)
    runs = tmp_path / "runs"

    def cancel() -> None:
        os.killpg(cluster.pids()[0], signal.SIGKILL)

    thread = meanwhile(lambda: statuses(runs), cancel)
    with pytest.raises(
        LaunchError, match=r"Slurm's jobs 7 have ended, and \d of 5 tasks have no result\. Last line of"
    ):
        sweep(request_in(runs, 4))
    thread.join()
    outcome = sweep(request_in(runs, 4))
    assert (outcome.exit_code, statuses(runs)) == (0, [RunStatus.OK] * 4)


def test_a_job_that_cannot_start_says_why(cluster: FakeSlurm, tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match=r"Last line of the newest log: .*'no_such_runner' cannot be imported"):
        sweep(request_in(tmp_path / "runs", 1, runner="no_such_runner"))


def test_a_job_takes_over_the_lease_of_a_dead_one(cluster: FakeSlurm, tmp_path: Path, behave) -> None:
    behave(sleep=60)
    runs = tmp_path / "runs"
    sweep(request_in(runs, 1, no_wait=True))
    wait_until(lambda: leases(runs))
    os.killpg(cluster.pids()[0], signal.SIGKILL)
    behave()
    assert sweep(request_in(runs, 1)).exit_code == 0
    assert statuses(runs) == [RunStatus.OK]


@pytest.mark.parametrize(("restarts", "again"), [(0, True), (10, False)])
def test_a_job_is_requeued_before_its_time_is_over(
    cluster: FakeSlurm, tmp_path: Path, behave, monkeypatch: pytest.MonkeyPatch, restarts: int, again: bool
) -> None:
    """The run is not finished, and its lease is free for the next task at once."""
    behave(sleep=60)
    monkeypatch.setenv("SLURM_RESTART_COUNT", str(restarts))
    runs = tmp_path / "runs"
    sweep(request_in(runs, 1, no_wait=True))
    wait_until(lambda: leases(runs))
    os.kill(cluster.pids()[0], signal.SIGUSR2)
    cluster.close()
    assert cluster.calls("scontrol") == ["requeue 7_0"] * again
    assert (leases(runs), statuses(runs), list((runs / "live").glob("*.json"))) == ([], [], [])


def test_a_preempted_job_frees_its_lease(cluster: FakeSlurm, tmp_path: Path, behave) -> None:
    """SIGTERM reaches all processes of a job; none counts as a failure of its run."""
    behave(sleep=60)
    runs = tmp_path / "runs"
    sweep(request_in(runs, 1, no_wait=True))
    wait_until(lambda: leases(runs))
    os.killpg(cluster.pids()[0], signal.SIGTERM)
    wait_until(lambda: not leases(runs))
    cluster.close()
    assert (cluster.calls("scontrol"), statuses(runs)) == ([], [])


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c(cluster: FakeSlurm, tmp_path: Path, behave, times: int) -> None:
    """Once: jobs finish their current runs. Twice: they are cancelled."""
    gate = tmp_path / "gate"
    behave(until=str(gate))  # no run ends before the signals were sent
    runs, log = tmp_path / "runs", Heard()

    def interrupt() -> None:
        for number in range(times):
            os.kill(os.getpid(), signal.SIGINT)
            wait_until(lambda number=number: len(cluster.calls("scancel")) > (1 if times == 1 else number))
        gate.touch()

    thread = meanwhile(lambda: leases(runs), interrupt)
    outcome = sweep(request_in(runs, 6, jobs=1), log)
    thread.join()
    assert outcome.exit_code == 130
    assert log.notices[-1].startswith("Stopping: running jobs finish their current runs")
    calls = ["--state=PENDING 7", "--state=RUNNING --batch --signal=INT 7", "7"]
    assert cluster.calls("scancel") == calls[: times + 1]
    assert len(outcome.summary.finished) < 7
    assert statuses(runs).count(RunStatus.OK) >= (times == 1)


def test_a_silent_slurm_is_asked_again(cluster: FakeSlurm, tmp_path: Path, behave) -> None:
    """While the controller restarts, nothing is known about the jobs, so none counts as ended."""
    behave(sleep=0.5)
    silent = cluster.folder / "silent"
    runs = tmp_path / "runs"
    thread = meanwhile(lambda: cluster.calls("squeue"), silent.touch)
    outcome = sweep(request_in(runs, 2))
    thread.join()
    assert outcome.exit_code == 0


def test_without_sbatch_it_says_where_to_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    request = request_in(tmp_path / "runs")
    made = make_plan(request, SweepLog())
    with pytest.raises(
        LaunchError, match=r"there is no sbatch on the PATH.*login node.*--print-script.*--launcher local"
    ):
        check_launch(made, request)
    assert job_script(made, request).startswith("#!/bin/bash\n#SBATCH")


def test_the_message_of_sbatch_is_passed_on(cluster: FakeSlurm, tmp_path: Path) -> None:
    sbatch = cluster.folder / "bin" / "sbatch"
    sbatch.write_text("#!/bin/sh\necho 'sbatch: error: Requested node configuration is not available' >&2\nexit 1\n")
    with pytest.raises(
        LaunchError, match="sbatch rejects the jobs: sbatch: error: Requested node configuration is not"
    ):
        sweep(request_in(tmp_path / "runs", gpus=99))
    assert list((tmp_path / "runs" / "slurm").iterdir()) == []


def test_the_script_has_the_requested_settings() -> None:
    array = JobArray(40, 90, 4, 2, partition="gpu", memory="16G", extra={"account": "me", "exclusive": True})
    text = array.script(Path("/shared/runs/slurm/S"))
    for line in (
        "#SBATCH --array=0-39",
        "#SBATCH --time=90",
        "#SBATCH --cpus-per-task=8",
        "#SBATCH --gpus-per-node=2",
        "#SBATCH --partition=gpu",
        "#SBATCH --mem=16G",
        "#SBATCH --account=me",
        "#SBATCH --exclusive",
        "#SBATCH --requeue",
        "#SBATCH --signal=B:USR2@90",
        "export OMP_NUM_THREADS=4 MKL_NUM_THREADS=4 OPENBLAS_NUM_THREADS=4",
    ):
        assert line in text.splitlines()
    assert re.search(r" -m bench run /shared/runs/slurm/S/sweep\.toml --log plain --json &$", text, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("options", "tasks", "size"),
    [
        ({}, 1, 1),
        ({}, 41, 3),
        ({"gpus": 2}, 41, 2),
        ({"jobs": 8}, 41, 8),
        ({"jobs": 8}, 3, 3),
        ({"jobs": 8, "gpus": 4}, 6, 2),
        ({}, 10**6, 1000),
    ],
)
def test_the_number_of_jobs(tmp_path: Path, options: dict[str, object], tasks: int, size: int) -> None:
    assert job_array(request_in(tmp_path, **options), tasks).size == size


def test_a_job_has_the_options_of_the_sweep_for_its_own_machine(tmp_path: Path) -> None:
    request = request_in(tmp_path, gpus=2, time="1:00:00", partition="p", slurm_set=["account=me"], retries=2)
    write_submission(tmp_path, job_array(request, 1), lambda file: _toml(request, file), tasks_of(request))
    file = the_submission(tmp_path) / "sweep.toml"
    assert tomllib.loads(file.read_text())["device"] == "all"
    job = SweepRequest.build(**read_sweep_file(file))
    assert (job.methods, job.seeds, job.retries) == (request.methods, request.seeds, 2)
    assert (str(job.launcher), job.jobs, job.gpus, job.slurm_set) == ("local", None, None, [])
    on_cpu = job_request(request_in(tmp_path, trackers=["trackio"]), file)
    assert (on_cpu.device, on_cpu.jobs, on_cpu.trackers) == ("cpu", 1, [])


def _toml(request: SweepRequest, file: Path) -> str:
    from bench.sweep import sweep_toml

    return sweep_toml(job_request(request, file))


def test_a_job_computes_the_tasks_of_its_submission(tmp_path: Path) -> None:
    request = request_in(tmp_path, 3)
    todo = tasks_of(request)
    folder = write_submission(tmp_path, JobArray(1, 1), str, todo[1:3])
    assert [task.key for task in submitted_tasks(folder / "tasks.json", todo)] == [task.key for task in todo[1:3]]
    assert json.loads((folder / "tasks.json").read_text()) == dict.fromkeys([task.key for task in todo[1:3]])


def test_jobs_leave_the_kept_sweep_file_and_the_database_to_the_command(tmp_path: Path) -> None:
    request = request_in(tmp_path, 1)
    folder = write_submission(tmp_path, JobArray(1, 1), str, tasks_of(request))
    assert sweep(job_request(request, folder / "tasks.json")).exit_code == 0
    assert statuses(tmp_path) == [RunStatus.OK]
    assert not (tmp_path / "sweeps").exists()
    assert list(tmp_path.glob("*.duckdb")) == []


def test_what_a_job_reads_can_be_written_by_its_owner_alone(tmp_path: Path) -> None:
    """Whoever may write the files of a job decides what runs as the person who submitted it."""
    runs, array = tmp_path / "runs", JobArray(1, 1)
    before = os.umask(0o002)
    try:
        folder = write_submission(runs, array, str, [])
    finally:
        os.umask(before)
    for place in (folder, folder.parent):
        assert not place.stat().st_mode & 0o022, place
    runs.chmod(0o777)
    with pytest.raises(LaunchError, match=r"Everyone may write .*runs.*chmod o-w .*give another --runs"):
        write_submission(runs, array, str, [])
    runs.chmod(0o1777)
    write_submission(runs, array, str, [])


def test_the_live_view_shows_the_workers_of_the_jobs() -> None:
    assert open_log(LogStyle.NONE).during(Tally(1), Path(), None)
