"""What one Slurm job does: the tasks of a chunk, one after the other, with a journal that survives the job.

A submission is a folder, `<runs>/slurm/<name>/`: `chunk-N.json` says what job N has to do, `chunk-N.jsonl` is its
journal, `jobs.json` the ids that Slurm gave the jobs, and a file `stop` asks them to take no further task.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from submitit.helpers import Checkpointable, DelayedSubmission

from bench.launch.protocol import FinishedTask, Outcome, Surroundings, Task, dump_task, load_task

if TYPE_CHECKING:
    from bench.launch.task_executor import TaskExecutor

STOP = "stop"
_TURN = 0.2


@dataclass(frozen=True)
class ChunkFiles:
    """The files of one chunk of a submission."""

    folder: Path
    number: int

    def write(self, surroundings: Surroundings, tasks: Sequence[Task]) -> None:
        """Say what the job has to do, and begin an empty journal, so that no reader ever remembers its absence."""
        document = {"surroundings": surroundings.model_dump(mode="json"), "tasks": [dump_task(task) for task in tasks]}
        self._plan.write_text(json.dumps(document))
        self._journal.touch()

    def read(self) -> tuple[Surroundings, list[Task]]:
        """The inverse of `write`."""
        document = json.loads(self._plan.read_text())
        return Surroundings.model_validate(document["surroundings"]), [load_task(item) for item in document["tasks"]]

    def note(self, **line: object) -> None:
        """Add a line to the journal, on the disk before this returns."""
        with self._journal.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def lines(self) -> list[dict[str, Any]]:
        """The journal. A line that a dying job left unfinished is skipped."""
        found = []
        for line in self._journal.read_text(encoding="utf-8").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    @property
    def _plan(self) -> Path:
        return self.folder / f"chunk-{self.number}.json"

    @property
    def _journal(self) -> Path:
        return self.folder / f"chunk-{self.number}.jsonl"


@dataclass
class Progress:
    """What a journal says about the tasks of its chunk."""

    ended: dict[int, FinishedTask] = field(default_factory=dict)
    begun: set[int] = field(default_factory=set)

    @classmethod
    def read(cls, files: ChunkFiles, tasks: Sequence[Task]) -> Progress:
        """Read a journal."""
        progress = cls()
        for line in files.lines():
            number = line["task"]
            progress.begun.add(number)
            if "outcome" in line:
                progress.ended[number] = FinishedTask.load(tasks[number], line)
        return progress


@dataclass(frozen=True)
class ChunkJob(Checkpointable):  # type: ignore[misc]  # submitit is not typed here
    """The function of a job. A job that Slurm starts again goes on where the journal ends.

    Args:
        folder: of the submission, shared by all machines.
        number: which chunk.
    """

    folder: str
    number: int

    def __call__(self) -> None:
        """Do what is not done, until all is done or the submission is asked to stop.

        The work is done in a second thread: before a job is put back into the queue, submitit leaves the main thread by
        SystemExit, which in the middle of a run would look as if the run had called `sys.exit`.
        """
        from bench.launch.limits import limit_memory
        from bench.launch.protocol import load_runner
        from bench.launch.task_executor import TaskExecutor

        files = ChunkFiles(Path(self.folder), self.number)
        surroundings, tasks = files.read()
        limit_memory(surroundings.limits)
        with TaskExecutor(surroundings, load_runner(surroundings.runner), own_process=True) as executor:
            work = _Work(files, tasks, executor)
            work.start()
            try:
                while work.is_alive():
                    work.join(_TURN)
            finally:
                work.give_back()
        if work.problem is not None:
            raise work.problem

    def checkpoint(self) -> DelayedSubmission:
        """What runs again after preemption or at the end of the allotted time: the same, since the journal is kept."""
        return DelayedSubmission(self)


class _Work(threading.Thread):
    """The tasks of a chunk, one after the other; ends with the process, in the middle of a run if need be."""

    def __init__(self, files: ChunkFiles, tasks: Sequence[Task], executor: TaskExecutor) -> None:
        super().__init__(daemon=True)
        self.problem: Exception | None = None
        self._files, self._tasks, self._executor = files, tasks, executor
        self._current: Task | None = None

    def run(self) -> None:
        """What the journal does not have yet."""
        try:
            self._go_on()
        except Exception as error:  # for the main thread, which raises it
            self.problem = error

    def give_back(self) -> None:
        """Let somebody else have the task that this process will not finish."""
        if self._current is not None:
            self._executor.release(self._current)

    def _go_on(self) -> None:
        ended = Progress.read(self._files, self._tasks).ended
        for number, task in enumerate(self._tasks):
            if number in ended:
                continue
            if (self._files.folder / STOP).exists():
                return
            self._files.note(task=number)
            self._current = task
            done = self._executor.run(task)
            self._current = None
            self._files.note(task=number, **done.dump())
            if done.outcome is Outcome.UNWRITTEN:
                return
