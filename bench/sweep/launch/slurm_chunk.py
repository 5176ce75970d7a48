"""A Slurm job: runs the tasks of a chunk one after the other and keeps a journal that survives the job.

A submission is a folder, `<runs>/slurm/<name>/`. `chunk-N.json` has the tasks of job N, `chunk-N.jsonl` is its journal,
`submission.sh` is the script, and `jobs.json` has Slurm's ids of the jobs. When a file `stop` exists, no job starts
another task.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bench.sweep.launch.tasks import FinishedTask, Outcome, Surroundings, Task, dump_task, load_task

if TYPE_CHECKING:
    from bench.sweep.launch.task_executor import TaskExecutor

STOP = "stop"


@dataclass(frozen=True)
class ChunkFiles:
    """The files of one chunk of a submission."""

    folder: Path
    number: int

    def write(self, surroundings: Surroundings, tasks: Sequence[Task]) -> None:
        """Write the tasks and an empty journal, so that no network file system caches that the journal is missing."""
        document = {"surroundings": surroundings.model_dump(mode="json"), "tasks": [dump_task(task) for task in tasks]}
        self._plan.write_text(json.dumps(document))
        self._journal.touch()

    def read(self) -> tuple[Surroundings, list[Task]]:
        """The inverse of `write`."""
        document = json.loads(self._plan.read_text())
        return Surroundings.model_validate(document["surroundings"]), [load_task(item) for item in document["tasks"]]

    def exist(self) -> bool:
        """Whether the submission has this chunk."""
        return self._plan.exists()

    def append(self, **line: object) -> None:
        """Append a line to the journal and flush it to disk."""
        with self._journal.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def progress(self, tasks: Sequence[Task]) -> Progress:
        """The journal's entries about these tasks, without incomplete lines of jobs that died."""
        progress = Progress()
        for text in self._journal.read_text(encoding="utf-8").splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                continue
            progress.timeouts += bool(line.get("timeout"))
            if (number := line.get("task")) is None:
                continue
            progress.begun.add(number)
            if "outcome" in line:
                progress.ended[number] = FinishedTask.load(tasks[number], line)
        return progress

    @property
    def _plan(self) -> Path:
        return self.folder / f"chunk-{self.number}.json"

    @property
    def _journal(self) -> Path:
        return self.folder / f"chunk-{self.number}.jsonl"


@dataclass
class Progress:
    """The started and ended tasks of a chunk, by number, and how often its job reached its time limit."""

    ended: dict[int, FinishedTask] = field(default_factory=dict)
    begun: set[int] = field(default_factory=set)
    timeouts: int = 0


@dataclass(frozen=True)
class ChunkJob:
    """The work of a job. A job that Slurm restarts resumes after the last finished task of its journal."""

    folder: str
    """Folder of the submission, shared by all machines."""
    number: int

    def __call__(self) -> None:
        """Run the unfinished tasks, until all are done or the submission is stopped.

        They run in a second thread. Before a job is requeued, SystemExit is raised in the main thread, which would look
        as if the run had called `sys.exit`.
        """
        from bench.sweep.launch.task_executor import TaskExecutor
        from bench.sweep.launch.worker_limits import limit_memory

        files = ChunkFiles(Path(self.folder), self.number)
        surroundings, tasks = files.read()
        limit_memory(surroundings.limits)
        with TaskExecutor(surroundings, own_process=True) as executor:
            work = _Work(files, tasks, executor)
            work.start()
            try:
                while work.is_alive():
                    work.join(0.2)
            finally:
                work.release()
        if work.problem is not None:
            raise work.problem


class _Work(threading.Thread):
    """Runs the tasks of a chunk. As a daemon thread it ends with the process, even during a run."""

    def __init__(self, files: ChunkFiles, tasks: Sequence[Task], executor: TaskExecutor) -> None:
        super().__init__(daemon=True)
        self.problem: Exception | None = None
        self._files, self._tasks, self._executor = files, tasks, executor
        self._current: Task | None = None

    def run(self) -> None:
        """Run the tasks that the journal does not list as ended."""
        try:
            ended = self._files.progress(self._tasks).ended
            for number, task in enumerate(self._tasks):
                if number in ended:
                    continue
                if (self._files.folder / STOP).exists():
                    return
                self._current = task
                self._files.append(task=number)
                done = self._executor.run(task)
                self._current = None
                self._files.append(task=number, **done.dump())
                if done.outcome is Outcome.UNWRITTEN:
                    return
        except Exception as error:  # the main thread raises it
            self.problem = error

    def release(self) -> None:
        """Release the lease of a task that this process will not finish."""
        if self._current is not None:
            self._executor.release(self._current)
