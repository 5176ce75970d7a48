"""The Slurm launcher with commands that run the jobs here; with a real Slurm it is tested in tests/cluster."""

from __future__ import annotations

import json
import os
import re
import signal
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_slurm import FakeSlurm
from patience import wait_until

from bench.errors import LaunchError
from bench.record import RunStatus
from bench.results.shards import Shards
from bench.sweep import (
    SweepLog,
    SweepOutcome,
    SweepRequest,
    carry_out,
    joined_plans,
    make_plan,
    read_sweep_file,
    unfinished_sweeps,
)
from bench.sweep.driver import check_launch, plan_tasks
from bench.sweep.launch.slurm import JobArray, submitted_tasks, write_submission
from bench.sweep.launch.tasks import Task
from bench.sweep.launchers import job_array, job_request

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Slurm runs on POSIX systems")


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSlurm]:
    cluster = FakeSlurm(tmp_path / "cluster", monkeypatch)
    yield cluster
    cluster.close()


class Heard(SweepLog):
    """Keeps what a sweep reports."""

    def __init__(self) -> None:
        self.notices: list[str] = []

    def notice(self, text: str) -> None:
        self.notices.append(text)


def request_in(runs: Path, seeds: int = 4, **options: object) -> SweepRequest:
    values = {"methods": "coop", "datasets": "spectrum_basic", "launcher": "slurm", "runner": "fake_runner"}
    return SweepRequest.build(**values | {"seeds": seeds, "runs": runs, "cache": runs / "cache"} | options)


def sweep(request: SweepRequest, log: SweepLog | None = None) -> SweepOutcome:
    log = log or SweepLog()
    return carry_out(make_plan(request, log), request, log)


def sweep_to_its_end(cluster: FakeSlurm, request: SweepRequest) -> None:
    """Submit the sweep and wait until its jobs have ended."""
    sweep(request)
    cluster.close()


def tasks_of(request: SweepRequest) -> list[Task]:
    return plan_tasks(make_plan(request, SweepLog()), request)


def statuses(runs: Path) -> list[RunStatus | None]:
    shards = Shards(runs)
    return [shards.status(entry.run_id) for entry in shards.scan()]


def the_submission(runs: Path) -> Path:
    (folder,) = (runs / "slurm").iterdir()
    return folder


def leases(runs: Path) -> list[Path]:
    return list((runs / "leases").glob("[0-9a-f]*.json"))


def test_the_jobs_of_an_array_share_the_sweep(cluster: FakeSlurm, tmp_path: Path, behave) -> None:
    journal = tmp_path / "journal"
    behave(fail=["seed 2"], journal=str(journal), sleep=0.2)
    log, runs = Heard(), tmp_path / "runs"
    outcome = sweep(request_in(runs, 6, jobs=2), log)
    assert (outcome.summary.finished, outcome.exit_code) == ((), 0), "no waiting"
    assert log.notices[-1].startswith("Submitted 7 tasks as 2 jobs:")
    cluster.close()
    assert sorted(map(str, statuses(runs))) == ["failed", *["ok"] * 5]
    started = journal.read_text().split()
    assert len(started) == len(set(started)) == 6, "nothing computed twice"
    assert sorted(path.name for path in the_submission(runs).iterdir()) == [
        "0.log",
        "1.log",
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
    sweep_to_its_end(cluster, request)
    job = job_request(request, the_submission(request.runs) / "tasks.json")
    again = sweep(job)
    assert ["another sweep" in item.message for item in again.summary.failures] == [True] * 2
    assert len(journal.read_text().split()) == 2
    heal.touch()
    sweep_to_its_end(cluster, request)
    assert statuses(request.runs) == [RunStatus.OK] * 2
    assert len(journal.read_text().split()) == 4


def test_rerun_all_computes_each_run_once(cluster: FakeSlurm, tmp_path: Path, behave) -> None:
    journal = tmp_path / "journal"
    behave(journal=str(journal))
    sweep_to_its_end(cluster, request_in(tmp_path / "runs", 3, jobs=2))
    sweep_to_its_end(cluster, request_in(tmp_path / "runs", 3, jobs=2, rerun="all"))
    assert len(journal.read_text().split()) == 6


def test_requests_that_are_carried_out_together_get_an_array_each_for_their_own_runs(
    cluster: FakeSlurm, tmp_path: Path, behave
) -> None:
    journal, runs = tmp_path / "journal", tmp_path / "runs"
    behave(journal=str(journal))
    requests = [request_in(runs, 2, overrides=[f"coop.n_ctx={values}"], jobs=1) for values in ("4,8", "8,16", "4,8")]
    parts = [(request, make_plan(request, SweepLog())) for request in requests]
    outcome = carry_out(joined_plans([plan for _, plan in parts]), requests[0], SweepLog(), parts=parts)
    cluster.close()
    assert (outcome.exit_code, cluster.submitted) == (0, 2)
    assert statuses(runs) == [RunStatus.OK] * 6
    started = journal.read_text().split()
    assert len(started) == len(set(started)) == 6
    assert unfinished_sweeps(runs) == []


def test_nothing_is_submitted_when_nothing_is_left(cluster: FakeSlurm, tmp_path: Path, behave) -> None:
    request = request_in(tmp_path / "runs", 1)
    sweep_to_its_end(cluster, request)
    assert sweep(request).exit_code == 0
    assert cluster.submitted == 1


def test_a_job_takes_over_the_lease_of_a_dead_one(cluster: FakeSlurm, tmp_path: Path, behave) -> None:
    behave(sleep=60)
    runs = tmp_path / "runs"
    sweep(request_in(runs, 1))
    wait_until(lambda: leases(runs))
    os.killpg(cluster.pids()[0], signal.SIGKILL)
    behave()
    sweep_to_its_end(cluster, request_in(runs, 1))
    assert statuses(runs) == [RunStatus.OK]


def test_a_job_frees_its_lease_before_its_time_is_over(cluster: FakeSlurm, tmp_path: Path, behave) -> None:
    """Slurm sends SIGTERM to the job, which does not count as a failure of its run."""
    behave(sleep=60)
    runs = tmp_path / "runs"
    sweep(request_in(runs, 1))
    wait_until(lambda: leases(runs))
    os.kill(cluster.pids()[0], signal.SIGTERM)
    cluster.close()
    assert (leases(runs), statuses(runs), list((runs / "live").glob("*.json"))) == ([], [], [])


def test_without_sbatch_the_script_alone_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    runs, log = tmp_path / "runs", Heard()
    request = request_in(runs)
    with pytest.raises(LaunchError, match="PATH.*login node.*script-only.*--launcher local"):
        check_launch(make_plan(request, SweepLog()), request)
    assert sweep(request_in(runs, script_only=True), log).exit_code == 0
    script = the_submission(runs) / "submission.sh"
    assert log.notices[-1].endswith(f"sbatch {script}")
    assert script.read_text().startswith("#!/bin/bash\n#SBATCH")


def test_the_message_of_sbatch_is_passed_on(cluster: FakeSlurm, tmp_path: Path) -> None:
    sbatch = cluster.folder / "bin" / "sbatch"
    sbatch.write_text("#!/bin/sh\necho 'sbatch: error: Requested node configuration is not available' >&2\nexit 1\n")
    with pytest.raises(LaunchError, match="sbatch: error: Requested node"):
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
        "#SBATCH --signal=B:TERM@90",
        "export OMP_NUM_THREADS=4 MKL_NUM_THREADS=4 OPENBLAS_NUM_THREADS=4",
    ):
        assert line in text.splitlines()
    assert re.search(r"/shared/runs/slurm/S/sweep\.toml --log plain --json$", text, flags=re.MULTILINE)


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
    on_cpu = job_request(request_in(tmp_path, tracker="trackio"), file)
    assert (on_cpu.device, on_cpu.jobs, on_cpu.tracker) == ("cpu", 1, "trackio")


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
    with pytest.raises(LaunchError, match="runs.*chmod o-w .*give another --runs"):
        write_submission(runs, array, str, [])
    runs.chmod(0o1777)
    write_submission(runs, array, str, [])
