"""Talking to Slurm: submitting array jobs through submitit, and asking squeue what has become of them."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import submitit
from submitit.core.utils import FailedJobError, FailedSubmissionError
from submitit.slurm.slurm import _make_sbatch_string

from bench.errors import LaunchError
from bench.launch.slurm_chunk import ChunkJob

REQUEUES = 10
"""How often a job may reach the end of its allotted time and be put back into the queue."""
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_PATIENCE = 60


@dataclass(frozen=True)
class JobSettings:
    """What every job asks of Slurm.

    Args:
        minutes: allotted time of a job; then it is put back into the queue and goes on with the runs it lacks.
        cpus: cores of a job, and threads of a run.
        gpus: GPUs of a job; 0 asks for none.
        partition: where it runs; None for the cluster's default.
        memory: as sbatch writes it (`16G`); None for the cluster's default.
        parallel: jobs of an array that run at the same time; None for as many as there are.
        extra: further options of sbatch, by long name without dashes; True for one without a value.
    """

    minutes: int
    cpus: int = 1
    gpus: int = 0
    partition: str | None = None
    memory: str | None = None
    parallel: int | None = None
    extra: Mapping[str, str | bool] = field(default_factory=dict)

    def parameters(self, jobs: int) -> dict[str, Any]:
        """The same in submitit's words, for an array of that many jobs."""
        further = dict(self.extra) | ({} if self.memory is None else {"mem": self.memory})
        chosen: dict[str, Any] = {
            "job_name": "etl-bench",
            "time": self.minutes,
            "cpus_per_task": self.cpus,
            "array_parallelism": self.parallel or jobs,
            "setup": [f"export {name}={self.cpus}" for name in _THREADS],
            "additional_parameters": further,
        }
        if self.gpus:
            chosen["gpus_per_node"] = self.gpus
        if self.partition is not None:
            chosen["partition"] = self.partition
        return chosen


class Queue(Protocol):
    """Where jobs wait and run."""

    def submit(self, folder: Path, jobs: Sequence[ChunkJob]) -> list[str]:
        """Submit one array; the ids of its jobs, in their order. `folder` takes scripts, pickles and logs."""
        ...

    def alive(self) -> set[str] | None:
        """Ids of the jobs that wait or run; None if nobody answers at the moment."""
        ...

    def cancel(self, ids: Sequence[str], *, waiting_only: bool) -> None:
        """Take jobs out of the queue; those that run too, unless only those that wait are meant."""
        ...

    def final_state(self, job: str) -> str:
        """How a job that is gone ended, in a word or two; empty if nobody knows."""
        ...


@dataclass(frozen=True)
class SlurmQueue:
    """Slurm's own commands, on a machine that has them."""

    settings: JobSettings

    def check(self) -> None:
        """Raise LaunchError unless sbatch is here."""
        if shutil.which("sbatch") is None or shutil.which("srun") is None:
            raise LaunchError(
                "--launcher slurm needs Slurm's commands, and there is no sbatch on the PATH. Give the command on a "
                "login node of the cluster; --dry-run shows the script anywhere, --launcher local runs on this machine."
            )

    def script(self, folder: Path, jobs: int) -> str:
        """The script that `submit` would hand to sbatch for that many jobs."""
        command = f"{shlex.quote(sys.executable)} -u -m submitit.core._submit {shlex.quote(str(folder))}"
        array = jobs if jobs > 1 else None
        text: str = _make_sbatch_string(command, folder, map_count=array, **self.settings.parameters(jobs))
        return text

    def submit(self, folder: Path, jobs: Sequence[ChunkJob]) -> list[str]:
        """Submit one array.

        Raises:
            LaunchError: sbatch refuses; with its words.
        """
        executor = submitit.SlurmExecutor(folder, max_num_timeout=REQUEUES)
        executor.update_parameters(**self.settings.parameters(len(jobs)))
        try:
            with executor.batch():
                submitted = [executor.submit(job) for job in jobs]
        except (FailedJobError, FailedSubmissionError) as error:
            raise LaunchError(f"sbatch refuses the jobs: {_refusal(error)}") from error
        return [str(job.job_id) for job in submitted]

    def alive(self) -> set[str] | None:
        """What squeue lists for this user."""
        listing = _ask("squeue", "--me", "--noheader", "--array", "--format=%A %F %K")
        if listing is None:
            return None
        found = set()
        for line in listing.splitlines():
            number, array, index = line.split()
            found.add(f"{array}_{index}" if index.isdecimal() else number)
        return found

    def cancel(self, ids: Sequence[str], *, waiting_only: bool) -> None:
        """Scancel."""
        if ids:
            _ask("scancel", *(["--state=PENDING"] if waiting_only else []), *ids)

    def final_state(self, job: str) -> str:
        """Slurm's name for the job's state, while it still remembers it."""
        listing = _ask("squeue", "--noheader", "--array", "--states=all", f"--jobs={job}", "--format=%T") or ""
        return listing.strip().splitlines()[-1] if listing.strip() else ""


def _ask(*command: str) -> str | None:
    """What a command of Slurm's prints; None if it cannot be given, or fails, as while the controller restarts."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None


def _refusal(error: Exception) -> str:
    """What sbatch said: its own lines in the message of whoever called it."""
    said = [line.strip() for line in str(error).splitlines() if line.strip().startswith("sbatch: ")]
    return " ".join(said) or " ".join(str(error).split())
