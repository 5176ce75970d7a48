"""Submissions on disk: what was handed to Slurm, which job does which part of it, and how far it is."""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench._util.atomic_write import write_atomically
from bench.errors import LaunchError
from bench.launch.affinity_queue import AffinityQueue
from bench.launch.protocol import FinishedTask, Surroundings, Task
from bench.launch.slurm_chunk import STOP, ChunkFiles, ChunkJob, Progress
from bench.launch.slurm_queue import Queue

FOLDER = "slurm"
"""Folder of all submissions, below the runs."""
_JOBS = "jobs.json"


@dataclass
class WatchedJob:
    """A job that is watched.

    Args:
        job: its id.
        files: what it does, and its journal.
        tasks: all of its tasks.
        wanted: those that are waited for here and have not ended yet, by their number.
    """

    job: str
    files: ChunkFiles
    tasks: list[Task]
    wanted: dict[int, Task]
    progressed: bool = False
    _seen: float = field(default_factory=time.monotonic)

    def news(self) -> list[FinishedTask]:
        """The tasks that have ended since the last call."""
        ended = Progress.of(self.files, self.tasks).ended
        fresh = [ended[number] for number in list(self.wanted) if number in ended]
        self.wanted = {number: task for number, task in self.wanted.items() if number not in ended}
        if fresh:
            self.progressed, self._seen = True, time.monotonic()
        return fresh

    def current(self) -> Task | None:
        """The task that the job is at, or was at when it ended."""
        progress = Progress.of(self.files, self.tasks)
        return next((task for number, task in self.wanted.items() if number in progress.begun), None)

    def seconds(self) -> float:
        """Since the last news."""
        return time.monotonic() - self._seen

    def stop(self) -> None:
        """Ask all jobs of the submission to take no further task."""
        (self.files.folder / STOP).touch()

    @property
    def log(self) -> Path:
        """Where the job's standard error goes."""
        return self.files.folder / f"{self.job}_0_log.err"

    def log_tail(self) -> str:
        """The last line of the log, or `none`."""
        if not self.log.is_file():
            return "none"
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "none"


def chunks(tasks: Sequence[Task], size: int) -> list[list[Task]]:
    """Tasks in portions of at most `size`; those that share features stay together where they can."""
    waiting = AffinityQueue(tasks)
    ordered = []
    while (task := waiting.take(0)) is not None:
        ordered.append(task)
    return [ordered[begin : begin + size] for begin in range(0, len(ordered), size)]


def submit(surroundings: Surroundings, queue: Queue, portions: Sequence[Sequence[Task]]) -> list[WatchedJob]:
    """Write a submission and hand it to the queue, one job a portion.

    Raises:
        LaunchError: the queue refuses it; nothing of it is left then.
    """
    name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"
    folder = surroundings.runs.absolute() / FOLDER / name
    folder.mkdir(parents=True)
    files = [ChunkFiles(folder, number) for number in range(len(portions))]
    for item, tasks in zip(files, portions, strict=True):
        item.write(
            surroundings.model_copy(
                update={"runs": surroundings.runs.absolute(), "context": surroundings.context.absolute()}
            ),
            tasks,
        )
    try:
        jobs = queue.submit(folder, [ChunkJob(str(folder), item.number) for item in files])
    except LaunchError:
        shutil.rmtree(folder)
        raise
    write_atomically(folder / _JOBS, json.dumps(jobs).encode())
    return [
        WatchedJob(job, item, list(tasks), dict(enumerate(tasks)))
        for job, item, tasks in zip(jobs, files, portions, strict=True)
    ]


def active_jobs(runs: Path, queue: Queue, tasks: Sequence[Task]) -> list[WatchedJob]:
    """The jobs of earlier submissions that still wait or run and have some of these tasks to do.

    Args:
        runs: the runs folder.
        queue: knows which jobs are alive; if it does not answer, nothing is known to be under way.
        tasks: what is asked for now.
    """
    known = sorted((runs / FOLDER).glob(f"*/{_JOBS}"))
    alive = (queue.alive() or set()) if known else set()
    asked = {task.key: task for task in tasks}
    found = []
    for path in known:
        if (path.parent / STOP).exists():
            continue
        for number, job in enumerate(json.loads(path.read_text())):
            if job not in alive:
                continue
            files = ChunkFiles(path.parent.absolute(), number)
            _, planned = files.read()
            ended = Progress.of(files, planned).ended
            wanted = {n: asked.pop(task.key) for n, task in enumerate(planned) if n not in ended and task.key in asked}
            if wanted:
                found.append(WatchedJob(job, files, planned, wanted, progressed=bool(ended)))
    return found
