"""Submissions on disk: the submitted chunks of tasks, the job of each chunk, and its progress."""

import json
import os
import shutil
import stat
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.errors import LaunchError
from bench.results import write_atomically
from bench.sweep.launch.slurm_chunk import STOP, ChunkFiles
from bench.sweep.launch.slurm_queue import SlurmQueue
from bench.sweep.launch.tasks import FinishedTask, Surroundings, Task

FOLDER = "slurm"
"""Folder of all submissions, below the runs folder."""
ARRAY_SIZE = 1000
"""Largest number of jobs in an array; Slurm's default limit, MaxArraySize, is 1001."""
_JOBS = "jobs.json"


@dataclass
class WatchedJob:
    """A chunk of a job, watched through its journal. Chunks of one job share its number.

    `unfinished` are the tasks that this sweep waits for, by their number in the chunk. `started` is True if the job has
    begun any task, and `running` if it has begun the first unfinished task.
    """

    job: str
    files: ChunkFiles
    tasks: list[Task]
    unfinished: dict[int, Task]
    started: bool = False
    running: bool = False

    def read_journal(self) -> list[FinishedTask]:
        """The tasks that have ended since the last call."""
        progress = self.files.progress(self.tasks)
        ended = [progress.ended[number] for number in self.unfinished if number in progress.ended]
        self.unfinished = {number: task for number, task in self.unfinished.items() if number not in progress.ended}
        self.started = bool(progress.begun)
        self.running = next(iter(self.unfinished), None) in progress.begun
        return ended

    @property
    def log(self) -> Path:
        """The job's standard error."""
        return self.files.folder / f"{self.job}_0_log.err"


def arrays(tasks: int, runs_per_worker: int, workers: int = 1) -> list[int]:
    """The number of jobs of each array, for `tasks` tasks and jobs of `workers` workers."""
    jobs = -(-tasks // (runs_per_worker * workers))
    return [min(ARRAY_SIZE, jobs - begin) for begin in range(0, jobs, ARRAY_SIZE)]


def submit(surroundings: Surroundings, queue: SlurmQueue, chunks: Sequence[Sequence[Task]]) -> list[WatchedJob]:
    """Write a submission and submit it as one array, with one chunk for each worker of a job.

    The jobs read their tasks from the submission, so only its owner can write its folder. Raises LaunchError if
    everyone may write the runs folder, or if the queue rejects the submission, which is then deleted.
    """
    for place in (surroundings.runs, surroundings.runs / FOLDER):
        if place.is_dir() and (mode := place.stat().st_mode) & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise LaunchError(
                f"Everyone may write {place}, and Slurm's jobs read from there what to run as you; take the right away "
                f"(chmod o-w {place}) or give another --runs."
            )
    name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"
    folder = surroundings.runs.absolute() / FOLDER / name
    folder.mkdir(parents=True)
    for made in (folder, folder.parent):
        if made.stat().st_uid == os.getuid():
            made.chmod(0o755)
    absolute = {"runs": surroundings.runs.absolute(), "context": surroundings.context.absolute()}
    files = [ChunkFiles(folder, number) for number in range(len(chunks))]
    for item, tasks in zip(files, chunks, strict=True):
        item.write(surroundings.model_copy(update=absolute), tasks)
    try:
        ids = queue.submit(folder, -(-len(files) // queue.workers))
    except LaunchError:
        shutil.rmtree(folder)
        raise
    jobs = [ids[number // queue.workers] for number in range(len(files))]
    write_atomically(folder / _JOBS, json.dumps(jobs).encode())
    return [
        WatchedJob(job, item, list(tasks), dict(enumerate(tasks)))
        for job, item, tasks in zip(jobs, files, chunks, strict=True)
    ]


def stop(jobs: Iterable[WatchedJob]) -> None:
    """Tell all jobs of these jobs' submissions to start no further task."""
    for folder in {job.files.folder for job in jobs}:
        (folder / STOP).touch()


def active_jobs(runs: Path, queue: SlurmQueue, tasks: Sequence[Task]) -> list[WatchedJob]:
    """The jobs of earlier submissions that include some of these tasks; empty if the queue does not respond."""
    known = sorted((runs / FOLDER).glob(f"*/{_JOBS}"))
    alive = (queue.alive() or set()) if known else set()
    needed = {task.key: task for task in tasks}
    found = []
    for path in known:
        if (path.parent / STOP).exists():
            continue
        for number, job in enumerate(json.loads(path.read_text())):
            if job not in alive:
                continue
            files = ChunkFiles(path.parent.absolute(), number)
            _, planned = files.read()
            ended = files.progress(planned).ended
            left = {n: needed.pop(task.key) for n, task in enumerate(planned) if n not in ended and task.key in needed}
            if left:
                found.append(WatchedJob(job, files, planned, left))
    return found
