"""The Slurm launcher on a real Slurm: slurmctld and slurmd of this machine, started for the test on loopback."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from patience import wait_until

from bench.errors import LaunchError
from bench.record import RunStatus
from bench.results.shards import Shards
from bench.sweep import SweepLog, SweepOutcome, SweepRequest, carry_out, make_plan

SCRIPT = Path(__file__).with_name("one_node_slurm.sh")
COMMANDS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel")

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
            yield folder
            subprocess.run(["scancel", "--me"], check=False)
        finally:
            subprocess.run(["sh", str(SCRIPT), "down", str(folder)], check=False)
            shutil.rmtree(folder, ignore_errors=True)


def sweep(runs: Path, seeds: int, **options: object) -> SweepOutcome:
    values = {"methods": "coop", "datasets": "spectrum_basic", "launcher": "slurm", "runner": "fake_runner"}
    request = SweepRequest.build(**values | {"seeds": f"1-{seeds}", "runs": runs, "time": "10"} | options)
    return carry_out(make_plan(request, SweepLog()), request, SweepLog())


def wait_for_jobs() -> None:
    """Wait until no job of ours waits or runs."""
    command = ["squeue", "--me", "--noheader"]
    wait_until(lambda: not subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())


def statuses(runs: Path) -> list[RunStatus | None]:
    return [Shards(runs).status(entry.run_id) for entry in Shards(runs).scan()]


def leases(runs: Path) -> list[Path]:
    return list((runs / "leases").glob("[0-9a-f]*.json"))


def test_an_array_of_jobs_does_all_runs(slurm: Path, tmp_path: Path, monkeypatch):
    journal, runs = tmp_path / "journal", tmp_path / "runs"
    monkeypatch.setenv("FAKE_RUNNER", json.dumps({"fail": ["seed 2"], "journal": str(journal), "sleep": 1}))
    sweep(runs, 7, jobs=3)  # on two cores, so that the third task may start late
    wait_for_jobs()
    assert sorted(map(str, statuses(runs))) == ["failed", *["ok"] * 6]
    started = journal.read_text().split()
    assert len(started) == len(set(started)) == 7


def test_a_job_that_its_time_limit_stops_leaves_its_run_to_the_next_command(slurm: Path, tmp_path: Path, monkeypatch):
    """Slurm sends SIGTERM before time is up."""
    runs = tmp_path / "runs"
    monkeypatch.setenv("FAKE_RUNNER", json.dumps({"sleep": 3}))
    sweep(runs, 3)
    wait_until(lambda: leases(runs) and statuses(runs))
    subprocess.run(["scancel", "--me", "--batch", "--signal=TERM"], check=True)
    wait_for_jobs()
    assert set(statuses(runs)) == {RunStatus.OK}
    assert leases(runs) == []
    sweep(runs, 3)
    wait_for_jobs()
    assert statuses(runs) == [RunStatus.OK] * 3


def test_more_gpus_than_there_are_is_refused_in_slurms_words(slurm: Path, tmp_path: Path):
    with pytest.raises(LaunchError, match="sbatch rejects the jobs: sbatch: error: "):
        sweep(tmp_path, 1, gpus=4)


def test_a_job_has_all_its_cores(slurm: Path, tmp_path: Path, monkeypatch):
    seen = tmp_path / "environment"
    monkeypatch.setenv("FAKE_RUNNER", json.dumps({"environment": str(seen)}))
    sweep(tmp_path / "runs", 1, cpus=2)
    wait_for_jobs()
    found = json.loads(seen.read_text())
    assert (found["SLURM_CPUS_PER_TASK"], found["SLURM_CPUS_ON_NODE"], found["OMP_NUM_THREADS"]) == ("2", "2", "2")
