"""Submits array jobs to Slurm with sbatch, and reads their state from squeue."""

import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.errors import LaunchError
from bench.sweep.launch.worker_limits import THREAD_VARIABLES

_WARNING_SECONDS = 90
"""Seconds before its end at which a job gets the signal that requeues it."""
_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class SlurmQueue:
    """Submits jobs with Slurm's commands; has the settings of every job.

    Args:
        minutes: time limit of a job, after which it is requeued and resumes.
        cpus: cores per worker, and threads per run.
        gpus: GPUs per job, each with one worker.
        memory: in sbatch's notation (`16G`); None for the cluster's default.
        parallel: jobs of an array that may run at the same time; None for all.
        extra: further options of sbatch by long name without dashes; True for an option without a value.
        variables: further environment variables of a job.
    """

    minutes: int
    cpus: int = 1
    gpus: int = 0
    partition: str | None = None
    memory: str | None = None
    parallel: int | None = None
    extra: Mapping[str, str | bool] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def workers(self) -> int:
        """Processes of a job, one for each GPU."""
        return max(1, self.gpus)

    def options(self, folder: Path, jobs: int) -> dict[str, str | int | bool | None]:
        """The options of sbatch by long name, for an array of that many jobs."""
        name = "%A_%a" if jobs > 1 else "%j"
        return {
            "job-name": "etl-bench",
            "nodes": 1,
            "array": f"0-{jobs - 1}%{min(jobs, self.parallel or jobs)}" if jobs > 1 else None,
            "time": self.minutes,
            "ntasks-per-node": self.workers if self.workers > 1 else None,
            "cpus-per-task": self.cpus,
            "gpus-per-node": self.gpus or None,
            "partition": self.partition,
            "output": str(folder / f"{name}_0_log.out"),
            "error": str(folder / f"{name}_0_log.err"),
            "open-mode": "append",
            "signal": f"USR2@{_WARNING_SECONDS}",
            **({} if self.memory is None else {"mem": self.memory}),
            **self.extra,
        }

    def check(self) -> None:
        """Raise LaunchError unless Slurm's commands are installed."""
        if shutil.which("sbatch") is None or shutil.which("srun") is None:
            raise LaunchError(
                "--launcher slurm needs Slurm's commands, and there is no sbatch on the PATH. Run the command on a "
                "login node of the cluster; --dry-run shows the script anywhere, --launcher local runs on this machine."
            )

    def script(self, folder: Path, jobs: int) -> str:
        """The script that `submit` passes to sbatch for that many jobs."""
        chosen = self.options(folder, jobs)
        flags = [
            f"#SBATCH --{name}" + ("" if value is True else f"={shlex.quote(str(value))}")
            for name, value in sorted(chosen.items())
            if value is not None
        ]
        logs = ["--output", str(chosen["output"]), "--error", str(chosen["error"])]
        steps = [f"--cpus-per-task={chosen['cpus-per-task']}"]  # srun does not inherit it from the job
        if self.workers > 1:
            steps += [f"--ntasks={self.workers}", "--kill-on-bad-exit=0", "--wait=0"]  # a worker outlives the others
        command = ["srun", "--unbuffered", *steps, *logs, *job_command(folder, self.minutes, self.workers)]
        variables = dict.fromkeys(THREAD_VARIABLES, str(self.cpus)) | dict(self.variables)
        exports = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
        return "\n".join(["#!/bin/bash", *flags, *exports, shlex.join(command), ""])

    def submit(self, folder: Path, jobs: int) -> list[str]:
        """Submit one array and return the ids of its jobs in order; raises LaunchError if it is rejected.

        The script and the logs go to `folder`.
        """
        file = folder / "submission.sh"
        file.write_text(self.script(folder, jobs), encoding="utf-8")
        try:
            done = subprocess.run(["sbatch", "--parsable", str(file)], capture_output=True, text=True, check=False)
        except OSError as error:
            raise LaunchError(f"sbatch cannot be started: {error.strerror or error}.") from error
        number = done.stdout.strip().partition(";")[0]
        if done.returncode or not number.isdecimal():
            raise LaunchError(f"sbatch rejects the jobs: {' '.join((done.stderr or done.stdout).split())}")
        return [f"{number}_{index}" for index in range(jobs)] if jobs > 1 else [number]

    def alive(self) -> set[str] | None:
        """Ids of the waiting and running jobs; None if Slurm does not respond at the moment."""
        listing = _output_of("squeue", "--me", "--noheader", "--array", "--format=%A %F %K")
        if listing is None:
            return None
        found = set()
        for line in listing.splitlines():
            number, array, index = line.split()
            found.add(f"{array}_{index}" if index.isdecimal() else number)
        return found

    def cancel(self, ids: Sequence[str], *, waiting_only: bool) -> None:
        """Cancel jobs, or only those that have not started."""
        if ids:
            _output_of("scancel", *(["--state=PENDING"] if waiting_only else []), *ids)

    def final_state(self, job: str) -> str:
        """How a job ended, in a word or two; empty if unknown."""
        listing = _output_of("squeue", "--noheader", "--array", "--states=all", f"--jobs={job}", "--format=%T") or ""
        return listing.strip().splitlines()[-1] if listing.strip() else ""


def job_command(folder: Path, minutes: float, workers: int = 1) -> list[str]:
    """The command of each worker of a job; it reads the numbers of job and worker from the environment."""
    return [sys.executable, "-u", "-m", "bench.sweep.launch.slurm_job", str(folder), str(minutes), str(workers)]


def _output_of(*command: str) -> str | None:
    """The output of a Slurm command; None if it fails, for example while the controller restarts."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
