"""The Slurm launcher on a real Slurm: slurmctld and slurmd of this machine, started for the test on loopback."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from patience import wait_until

from bench.errors import LaunchError
from bench.record import RunStatus
from bench.results.shards import Shards
from bench.sweep import SweepLog, SweepOutcome, SweepRequest, carry_out, make_plan
from bench.sweep.launch import slurm as launcher

SCRIPT = Path(__file__).with_name("one_node_slurm.sh")
COMMANDS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol")

pytestmark = pytest.mark.slow  # `tests/bench/sweep/launch/test_slurm.py` has commands that run the jobs in its place


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
            patch.setattr(launcher.watch, "__kwdefaults__", {"look_seconds": 0.3, "settle_seconds": 1.0})
            yield folder
            subprocess.run(["scancel", "--me"], check=False)
        finally:
            subprocess.run(["sh", str(SCRIPT), "down", str(folder)], check=False)
            shutil.rmtree(folder, ignore_errors=True)


class Heard(SweepLog):
    """Keeps the notices of a sweep."""

    def __init__(self) -> None:
        self.notices: list[str] = []

    def notice(self, text: str) -> None:
        self.notices.append(text)


def sweep(runs: Path, seeds: int, log: SweepLog | None = None, **options: object) -> SweepOutcome:
    values = {"methods": "coop", "datasets": "spectrum_basic", "launcher": "slurm", "runner": "fake_runner"}
    request = SweepRequest.build(**values | {"seeds": f"1-{seeds}", "runs": runs, "time": "10"} | options)
    log = log or SweepLog()
    return carry_out(make_plan(request, log), request, log)


def when(happened: Callable[[], object], *command: str) -> threading.Thread:
    """Run a command beside the sweep, as soon as something has happened."""

    def watch() -> None:
        wait_until(happened)
        subprocess.run(command, check=True)

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def statuses(runs: Path) -> list[RunStatus | None]:
    return [Shards(runs).status(entry.run_id) for entry in Shards(runs).scan()]


def array_of(runs: Path) -> str:
    (file,) = runs.glob("slurm/*/job")
    return file.read_text()


def leases(runs: Path) -> list[Path]:
    return list((runs / "leases").glob("[0-9a-f]*.json"))


def test_an_array_of_jobs_does_all_runs(slurm: Path, tmp_path: Path, monkeypatch):
    journal = tmp_path / "journal"
    monkeypatch.setenv("FAKE_RUNNER", json.dumps({"fail": ["seed 2"], "journal": str(journal), "sleep": 1}))
    outcome = sweep(tmp_path / "runs", 7, jobs=3)  # on two cores, so that the third task may start late
    assert [item.message for item in outcome.summary.failures] == [
        "loss became nan at step 3. Use a smaller recipe.lr."
    ]
    assert len(outcome.summary.finished) == 8
    started = journal.read_text().split()
    assert len(started) == len(set(started)) == 7


@pytest.mark.parametrize("how", ["requeue", "signal"])
def test_a_job_that_is_put_back_into_the_queue_resumes(slurm: Path, tmp_path: Path, monkeypatch, how: str):
    """By an administrator or preemption (`scontrol requeue`), and by the signal that Slurm sends before time is up."""
    runs, journal = tmp_path / "runs", tmp_path / "journal"
    monkeypatch.setenv("FAKE_RUNNER", json.dumps({"sleep": 4, "journal": str(journal)}))

    def happened() -> bool:
        return len(statuses(runs)) == 1 and bool(leases(runs))

    def put_back() -> None:
        wait_until(happened)
        job = f"{array_of(runs)}_0"
        command = ["scontrol", "requeue", job] if how == "requeue" else ["scancel", "--batch", "--signal=USR2", job]
        subprocess.run(command, check=True)

    thread = threading.Thread(target=put_back)
    thread.start()
    outcome = sweep(runs, 3)
    thread.join()
    assert (outcome.exit_code, len(outcome.summary.finished)) == (0, 4)
    started = journal.read_text().split()
    assert (len(started), len(set(started))) == (4, 3), "only the run that was cut off is done twice"


def test_a_cancelled_job_leaves_its_run_to_the_next_command(slurm: Path, tmp_path: Path, monkeypatch):
    runs = tmp_path / "runs"
    monkeypatch.setenv("FAKE_RUNNER", json.dumps({"sleep": 3}))

    def cancel() -> None:
        wait_until(lambda: statuses(runs))
        subprocess.run(["scancel", array_of(runs)], check=True)

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(LaunchError, match=r"have ended, and \d of 4 tasks have no result"):
        sweep(runs, 3)
    thread.join()
    assert set(statuses(runs)) == {RunStatus.OK}
    assert leases(runs) == []
    assert sweep(runs, 3).exit_code == 0


def test_ctrl_c_lets_jobs_finish_their_current_runs(slurm: Path, tmp_path: Path, monkeypatch):
    runs = tmp_path / "runs"
    monkeypatch.setenv("FAKE_RUNNER", json.dumps({"sleep": 3}))
    thread = when(lambda: leases(runs) and statuses(runs), "kill", "-INT", str(os.getpid()))
    outcome = sweep(runs, 6)
    thread.join()
    assert outcome.exit_code == 130
    assert 0 < len(outcome.summary.finished) < 7
    assert set(statuses(runs)) == {RunStatus.OK}


def test_not_waiting_and_asking_again(slurm: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("FAKE_RUNNER", json.dumps({"sleep": 0.4}))
    runs, log = tmp_path / "runs", Heard()
    assert sweep(runs, 4, no_wait=True).summary.finished == ()
    assert len(sweep(runs, 4, log).summary.finished) == 5
    assert "5 tasks already with Slurm: not submitted again." in log.notices
    assert len(list(runs.glob("slurm/*"))) == 1


def test_more_gpus_than_there_are_is_refused_in_slurms_words(slurm: Path, tmp_path: Path):
    with pytest.raises(LaunchError, match="sbatch rejects the jobs: sbatch: error: "):
        sweep(tmp_path, 1, gpus=4)


def test_a_job_has_all_its_cores(slurm: Path, tmp_path: Path, monkeypatch):
    seen = tmp_path / "environment"
    monkeypatch.setenv("FAKE_RUNNER", json.dumps({"environment": str(seen)}))
    assert sweep(tmp_path / "runs", 1, cpus=2).exit_code == 0
    found = json.loads(seen.read_text())
    assert (found["SLURM_CPUS_PER_TASK"], found["SLURM_CPUS_ON_NODE"], found["OMP_NUM_THREADS"]) == ("2", "2", "2")
