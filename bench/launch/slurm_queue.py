"""Submits array jobs to Slurm through submitit, and reads their state from squeue."""

import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import submitit
from submitit.core.utils import FailedJobError, FailedSubmissionError
from submitit.slurm.slurm import _make_sbatch_string

from bench.errors import LaunchError
from bench.launch.limits import THREAD_VARIABLES
from bench.launch.slurm_chunk import ChunkJob

REQUEUES = 10
"""How often a job may be requeued because its time ended."""
_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class SlurmQueue:
    """Slurm, through its own commands, with the settings of every job.

    Args:
        minutes: time limit of a job, after which it is requeued and resumes.
        cpus: cores of a job, and threads of a run.
        memory: in sbatch's notation (`16G`); None for the cluster's default.
        parallel: jobs of an array that may run at the same time; None for all.
        extra: further options of sbatch by long name without dashes; True for an option without a value.
    """

    minutes: int
    cpus: int = 1
    gpus: int = 0
    partition: str | None = None
    memory: str | None = None
    parallel: int | None = None
    extra: Mapping[str, str | bool] = field(default_factory=dict)

    def parameters(self, jobs: int) -> dict[str, Any]:
        """The settings as submitit's parameters, for an array of that many jobs."""
        further = dict(self.extra) | ({} if self.memory is None else {"mem": self.memory})
        chosen = {
            "job_name": "etl-bench",
            "time": self.minutes,
            "cpus_per_task": self.cpus,
            "array_parallelism": self.parallel or jobs,
            "setup": [f"export {name}={self.cpus}" for name in THREAD_VARIABLES],
            "additional_parameters": further,
            "gpus_per_node": self.gpus or None,
            "partition": self.partition,
        }
        return {name: value for name, value in chosen.items() if value is not None}

    def check(self) -> None:
        """Raise LaunchError unless Slurm's commands are installed."""
        if shutil.which("sbatch") is None or shutil.which("srun") is None:
            raise LaunchError(
                "--launcher slurm needs Slurm's commands, and there is no sbatch on the PATH. Run the command on a "
                "login node of the cluster; --dry-run shows the script anywhere, --launcher local runs on this machine."
            )

    def script(self, folder: Path, jobs: int) -> str:
        """The script that `submit` passes to sbatch for that many jobs."""
        command = f"{shlex.quote(sys.executable)} -u -m submitit.core._submit {shlex.quote(str(folder))}"
        array = jobs if jobs > 1 else None
        text: str = _make_sbatch_string(command, folder, map_count=array, **self.parameters(jobs))
        return text

    def submit(self, folder: Path, jobs: Sequence[ChunkJob]) -> list[str]:
        """Submit one array and return the ids of its jobs in order; raises LaunchError if it is rejected.

        Scripts, pickles and logs go to `folder`.
        """
        executor = submitit.SlurmExecutor(folder, max_num_timeout=REQUEUES)
        executor.update_parameters(**self.parameters(len(jobs)))
        try:
            with executor.batch():
                submitted = [executor.submit(job) for job in jobs]
        except (FailedJobError, FailedSubmissionError) as error:
            own = [line.strip() for line in str(error).splitlines() if line.strip().startswith("sbatch: ")]
            message = " ".join(own) or " ".join(str(error).split())
            raise LaunchError(f"sbatch refuses the jobs: {message}") from error
        return [str(job.job_id) for job in submitted]

    def alive(self) -> set[str] | None:
        """Ids of the jobs that wait or run; None if Slurm does not respond at the moment."""
        listing = _output_of("squeue", "--me", "--noheader", "--array", "--format=%A %F %K")
        if listing is None:
            return None
        found = set()
        for line in listing.splitlines():
            number, array, index = line.split()
            found.add(f"{array}_{index}" if index.isdecimal() else number)
        return found

    def cancel(self, ids: Sequence[str], *, waiting_only: bool) -> None:
        """Cancel jobs, or only those of them that have not started."""
        if ids:
            _output_of("scancel", *(["--state=PENDING"] if waiting_only else []), *ids)

    def final_state(self, job: str) -> str:
        """How a job ended, in a word or two; empty if unknown."""
        listing = _output_of("squeue", "--noheader", "--array", "--states=all", f"--jobs={job}", "--format=%T") or ""
        return listing.strip().splitlines()[-1] if listing.strip() else ""


def _output_of(*command: str) -> str | None:
    """The output of a Slurm command; None if it fails, as it does while the controller restarts."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
