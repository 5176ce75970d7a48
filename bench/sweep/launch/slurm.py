"""Submits a sweep as one Slurm job array. All tasks of the array run the same local `etl-bench run`.

The tasks share the work through leases, like any sweeps in one folder, and write their shards there. A submission is a
folder, `RUNS/slurm/NAME/`: `sweep.toml` has the options of the array's command, `tasks.json` its runs with the stamps
of their shards, `submission.sh` the script, and `INDEX.log` the output of each task.
"""

import json
import os
import shlex
import shutil
import stat
import subprocess
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from bench.errors import LaunchError
from bench.sweep.launch.tasks import Task
from bench.sweep.launch.worker_limits import THREAD_VARIABLES

FOLDER = "slurm"
"""Folder of all submissions, below the runs folder."""
SWEEP, TASKS, SCRIPT = "sweep.toml", "tasks.json", "submission.sh"
LARGEST = 1000
"""Most tasks of an array; Slurm's default limit, MaxArraySize, is 1001."""


@dataclass(frozen=True)
class JobArray:
    """A job array, whose tasks all have the same settings.

    Args:
        size: number of tasks.
        minutes: time limit of a task; it stops 90 seconds before.
        cpus: cores per worker, and threads per run.
        gpus: GPUs per task, each with one worker; 0 for one worker on the CPU.
        memory: in sbatch's notation (`16G`); None for the cluster's default.
        extra: further options of sbatch by long name without dashes; True for an option without a value.
    """

    size: int
    minutes: int
    cpus: int = 1
    gpus: int = 0
    partition: str | None = None
    memory: str | None = None
    extra: Mapping[str, str | bool] = field(default_factory=dict)

    def script(self, folder: Path) -> str:
        """The script of the submission in `folder`."""
        options: dict[str, str | int | bool | None] = {
            "job-name": "etl-bench",
            "array": f"0-{self.size - 1}",
            "nodes": 1,
            "time": self.minutes,
            "cpus-per-task": self.cpus * max(1, self.gpus),
            "gpus-per-node": self.gpus or None,
            "partition": self.partition,
            "mem": self.memory,
            "output": str(folder / "%a.log"),
            "open-mode": "append",
            "requeue": True,
            "signal": "B:TERM@90",
            **self.extra,
        }
        lines = [
            f"#SBATCH --{name}" + ("" if value is True else f"={shlex.quote(str(value))}")
            for name, value in options.items()
            if value is not None
        ]
        command = [sys.executable, "-u", "-m", "bench", "run", str(folder / SWEEP), "--log", "plain", "--json"]
        threads = " ".join(f"{name}={self.cpus}" for name in THREAD_VARIABLES)
        return "\n".join(["#!/bin/bash", *lines, f"export {threads}", f"exec {shlex.join(command)}", ""])


def check_slurm() -> None:
    """Raise LaunchError unless Slurm's commands are installed."""
    if shutil.which("sbatch") is None:
        raise LaunchError(
            "--launcher slurm needs Slurm's commands, and there is no sbatch on the PATH. Run the command on a "
            "login node of the cluster; --resource script-only writes the script anywhere, --launcher local runs "
            "on this machine."
        )


def write_submission(runs: Path, array: JobArray, options: Callable[[Path], str], tasks: Sequence[Task]) -> Path:
    """Write the folder of a submission; `options` makes its sweep file from the path of its file of tasks.

    The jobs read from the folder what to run, so only its owner can write it. Raises LaunchError if everyone may write
    the runs folder.
    """
    parent = runs.absolute() / FOLDER
    for place in (runs, parent):
        if place.is_dir() and (mode := place.stat().st_mode) & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise LaunchError(
                f"Everyone may write {place}, and Slurm's jobs read from there what to run as you; take the right away "
                f"(chmod o-w {place}) or give another --runs."
            )
    folder = parent / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"
    folder.mkdir(parents=True)
    for made in (folder, parent):
        if made.stat().st_uid == os.getuid():
            made.chmod(0o755)
    (folder / SWEEP).write_text(options(folder / TASKS), encoding="utf-8")
    (folder / TASKS).write_text(json.dumps({task.key: task.known_stamp for task in tasks}), encoding="utf-8")
    (folder / SCRIPT).write_text(array.script(folder), encoding="utf-8")
    return folder


def submitted_tasks(file: Path, tasks: Sequence[Task]) -> list[Task]:
    """Those of the tasks that a submission names. What was finished since it was written is not computed again."""
    stamps = json.loads(file.read_text(encoding="utf-8"))
    return [replace(task, known_stamp=stamps[task.key]) for task in tasks if task.key in stamps]


def submit(folder: Path) -> str:
    """Submit a written submission and return the number of its array; raises LaunchError if it is rejected."""
    try:
        done = subprocess.run(["sbatch", "--parsable", folder / SCRIPT], capture_output=True, text=True, check=False)
    except OSError as error:
        raise LaunchError(f"sbatch cannot be started: {error.strerror or error}.") from error
    number = done.stdout.strip().partition(";")[0]
    if done.returncode or not number.isdecimal():
        shutil.rmtree(folder)
        raise LaunchError(f"sbatch rejects the jobs: {' '.join((done.stderr or done.stdout).split())}")
    return number
