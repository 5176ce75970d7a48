"""Computes a sweep in Slurm jobs. All tasks of a job array run the same local `etl-bench run`.

The tasks share the work through leases, like any sweeps in one folder, and write their shards there. The command that
submits them reads the shards. A submission is a folder, `RUNS/slurm/NAME/`: `sweep.toml` has the options of the array's
command, `tasks.json` its runs with the stamps of their shards, `submission.sh` the script, `job` Slurm's number of the
array, and `INDEX.log` the output of each task.
"""

import json
import os
import shlex
import shutil
import stat
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from bench._util.interrupts import counted_interrupts
from bench._util.words import counted
from bench.errors import LaunchError
from bench.results import Shards
from bench.sweep.launch.task_executor import existing_result
from bench.sweep.launch.tasks import FinishedTask, LaunchSummary, Outcome, RunTask, Task
from bench.sweep.launch.worker_limits import THREAD_VARIABLES
from bench.sweep.launch.worker_logs import log_tail

FOLDER = "slurm"
"""Folder of all submissions, below the runs folder."""
SWEEP, TASKS, SCRIPT, JOB = "sweep.toml", "tasks.json", "submission.sh", "job"
LARGEST = 1000
"""Most tasks of an array; Slurm's default limit, MaxArraySize, is 1001."""
LOOK_SECONDS = 5.0
SETTLE_SECONDS = 60.0
"""Seconds after the end of all jobs in which a network file system may still show new results."""
_SCRIPT = """\
export {threads}
trap 'kill -INT $run' INT
trap 'kill -TERM $run; again=yes' USR2
{command} &
run=$!
while kill -0 $run 2> /dev/null; do wait $run; code=$?; done
if [ -n "$again" ] && [ "${{SLURM_RESTART_COUNT:-0}}" -lt 10 ]; then
    scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID"
fi
exit $code
"""
"""A task of the array. `USR2` comes before its time is over: the run stops, and the task resumes it later."""


@dataclass(frozen=True)
class JobArray:
    """A job array, whose tasks all have the same settings.

    Args:
        size: number of tasks.
        minutes: time limit of a task, after which it is requeued.
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
            "signal": "B:USR2@90",
            **self.extra,
        }
        lines = [
            f"#SBATCH --{name}" + ("" if value is True else f"={shlex.quote(str(value))}")
            for name, value in options.items()
            if value is not None
        ]
        command = [sys.executable, "-u", "-m", "bench", "run", str(folder / SWEEP), "--log", "plain", "--json"]
        threads = " ".join(f"{name}={self.cpus}" for name in THREAD_VARIABLES)
        return "\n".join(["#!/bin/bash", *lines, _SCRIPT.format(threads=threads, command=shlex.join(command))])


def check_slurm() -> None:
    """Raise LaunchError unless Slurm's commands are installed."""
    if shutil.which("sbatch") is None:
        raise LaunchError(
            "--launcher slurm needs Slurm's commands, and there is no sbatch on the PATH. Run the command on a "
            "login node of the cluster; --print-script shows the script anywhere, --launcher local runs on this "
            "machine."
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
    (folder / JOB).write_text(number, encoding="utf-8")
    return number


def active_submissions(runs: Path) -> dict[str, Path]:
    """The folders of submissions with waiting or running jobs, by the array's number; none if Slurm is silent."""
    folders = {file.read_text("utf-8"): file.parent for file in sorted((runs / FOLDER).glob(f"*/{JOB}"))}
    active = active_arrays(folders) if folders else None
    return {number: folder for number, folder in folders.items() if number in (active or ())}


def active_arrays(numbers: Mapping[str, Path]) -> set[str] | None:
    """Those of the arrays that have waiting or running jobs; None if Slurm does not respond at the moment."""
    listing = _output_of("squeue", "--me", "--noheader", "--format=%F")
    return None if listing is None else set(listing.split()) & set(numbers)


def watch(
    arrays: Mapping[str, Path],
    tasks: Sequence[Task],
    runs: Path,
    on_finished: Callable[[FinishedTask], None],
    on_notice: Callable[[str], None],
    *,
    look_seconds: float = LOOK_SECONDS,
    settle_seconds: float = SETTLE_SECONDS,
) -> LaunchSummary:
    """Report the results that jobs write, until every task has one.

    A failure counts once no job is left that may try again. The first Ctrl-C cancels waiting jobs and lets running jobs
    finish their current runs; the second cancels all. Raises LaunchError if the jobs end before the work is done.

    Args:
        arrays: folders of the submissions by the number of their arrays.
    """
    shards, finished, failed = Shards(runs), list[FinishedTask](), dict[str, FinishedTask]()
    left, handled, ended = {task.key: task for task in tasks}, 0, 0.0
    with counted_interrupts() as interrupts:
        while left:
            active = active_arrays(arrays)  # before the shards, so that no last result is missed
            for task in list(left.values()):
                item = _result(task, shards)
                if item is not None and item.outcome is Outcome.FAILED and active != set():
                    if failed.get(task.key) != item:
                        on_notice(f"{task.label} has failed; its job may try again: {item.message}")
                    failed[task.key] = item
                elif item is not None:
                    del left[task.key]
                    finished.append(item)
                    on_finished(item)
            if handled < interrupts.count:
                handled = interrupts.count
                _cancel(list(arrays), handled, on_notice)
            if handled > 1 or (handled and active == set()):
                break
            ended = 0.0 if active != set() else ended or time.monotonic()
            if left and ended and time.monotonic() - ended >= settle_seconds:
                raise LaunchError(_unfinished(arrays, len(left), len(tasks)))
            pause = time.monotonic() + (look_seconds if left else 0.0)
            while time.monotonic() < pause and interrupts.count == handled:
                time.sleep(min(look_seconds, 0.2))
    return LaunchSummary(tuple(finished), interrupts.count > 0)


def _result(task: Task, shards: Shards) -> FinishedTask | None:
    """The result that a job has written, or None."""
    found = existing_result(task, shards)
    if found is None or not isinstance(task, RunTask):
        return found and replace(found, here=True)
    record = shards.record(task.spec.run_id)
    cost, error = record and record.cost, record and record.error
    seconds = cost.prepare_seconds + cost.train_seconds + cost.eval_seconds if cost else 0.0
    return replace(found, here=True, seconds=seconds, message=" ".join(error.message.split()) if error else "")


def _cancel(arrays: Sequence[str], interrupts: int, on_notice: Callable[[str], None]) -> None:
    if interrupts > 1:
        _output_of("scancel", *arrays)
        return
    on_notice("Stopping: running jobs finish their current runs, the others are cancelled. Ctrl-C again cancels all.")
    _output_of("scancel", "--state=PENDING", *arrays)
    _output_of("scancel", "--state=RUNNING", "--batch", "--signal=INT", *arrays)


def _unfinished(arrays: Mapping[str, Path], left: int, total: int) -> str:
    """The message when all jobs have ended too early."""
    logs = [log for folder in arrays.values() for log in folder.glob("*.log")]
    newest = max(logs, key=lambda log: log.stat().st_mtime, default=None)
    said = "There is no log" if newest is None else f"Last line of the newest log: {log_tail(newest)} ({newest})"
    names = ",".join(arrays)
    return (
        f"Slurm's jobs {names} have ended, and {left} of {counted(total, 'task')} have no result. {said}. `sacct -j "
        f"{names}` shows how they ended: OUT_OF_MEMORY needs more --resource mem, TIMEOUT more "
        "--resource time. The same command submits what is left."
    )


def _output_of(*command: str) -> str | None:
    """The output of a Slurm command; None if it fails, for example while the controller restarts."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
