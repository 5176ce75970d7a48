"""Runs tasks in one process: takes their leases, runs them, writes their shards and reports through a heartbeat."""

import time
from contextlib import ExitStack
from typing import Self

from bench._util.memory import keep_freed_memory
from bench.coordination.heartbeat import Heartbeat
from bench.coordination.leases import Leases
from bench.launch.device_variables import set_device_variables
from bench.launch.execute import execute, store_result, write_failure
from bench.launch.limits import deadline
from bench.launch.log_capture import capture_output
from bench.launch.runner_module import load_runner
from bench.launch.tasks import FinishedTask, Outcome, RunTask, Surroundings, Task
from bench.record import RunStatus
from bench.results.shards import Shards

LOGS = "logs"
"""Folder, below the runs folder, for the output of runs and workers."""
CHECKPOINTS = "checkpoints"
"""Folder, below the runs folder, for checkpoints."""


class TaskExecutor:
    """A context manager. If another process computes the results, only `claim` and `release` are used.

    With `own_process`, this process exists only for these tasks: it ends when a run exceeds its time limit, and the
    output of each run goes to a file.
    """

    def __init__(self, surroundings: Surroundings, *, own_process: bool) -> None:
        self.surroundings = surroundings
        set_device_variables(surroundings.context)
        self.runner = load_runner(surroundings.runner)
        self.own_process = own_process
        if own_process:
            keep_freed_memory()
        self.heartbeat = Heartbeat(surroundings.runs, "worker", {"sweep": surroundings.sweep, "task": None})
        self.leases = Leases(surroundings.runs, self.heartbeat)
        self.shards = Shards(surroundings.runs)

    def __enter__(self) -> Self:
        """Start the heartbeat; raises OSError if the runs folder cannot be written."""
        self.heartbeat.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.heartbeat.__exit__(*error)

    def run(self, task: Task) -> FinishedTask:
        """Run a task and write its shard, unless another process has finished it or holds its lease."""
        if (other := self.claim(task)) is not None:
            return other
        try:
            return self._run(task)
        finally:
            self.release(task)

    def claim(self, task: Task) -> FinishedTask | None:
        """Take the lease of a task. Returns None on success, otherwise the result to report."""
        try:
            if not self.leases.acquire(task.key):
                return FinishedTask(task, Outcome.HELD_BY_OTHER, 0.0, here=False)
        except OSError as error:
            return write_failure(task, self.surroundings, error)
        if (done := existing_result(task, self.shards)) is not None:
            self.leases.release(task.key)
            return done
        run = task.spec.run_id if isinstance(task, RunTask) else None
        self.heartbeat.update(task=task.label, run_id=run, attempt=task.attempt, since=time.monotonic())
        return None

    def release(self, task: Task) -> None:
        """Release the lease, whether the task is finished or not."""
        self.heartbeat.update(task=None, run_id=None, attempt=None, since=time.monotonic())
        self.leases.release(task.key)

    def _run(self, task: Task) -> FinishedTask:
        runs = self.surroundings.runs
        context = self.surroundings.context.model_copy(update={"checkpoints": runs / CHECKPOINTS})
        with ExitStack() as stack:
            log = None
            if self.own_process:
                try:
                    path = runs / LOGS / f"{task.key}.log"
                    log = stack.enter_context(capture_output(path, append=task.attempt > 1))
                except OSError as error:
                    return write_failure(task, self.surroundings, error)
            with deadline(self.surroundings.limits, end_process=log):
                result = execute(task, self.runner, context)
        done = store_result(result, self.surroundings)
        if done.outcome is Outcome.OK or (done.outcome is Outcome.FAILED and not done.memory):
            (runs / CHECKPOINTS / f"{task.key}.safetensors").unlink(missing_ok=True)
        return done


def existing_result(task: Task, shards: Shards) -> FinishedTask | None:
    """The result that another process has written since the task was planned, or None."""
    if isinstance(task, RunTask):
        stamp = shards.stamp(task.spec.run_id)
        status = None if stamp in (None, task.known_stamp) else shards.status(task.spec.run_id)
        if status is RunStatus.FAILED:
            return FinishedTask(task, Outcome.FAILED, 0.0, "it failed in another sweep", here=False)
        return None if status is None else FinishedTask(task, Outcome.OK, 0.0, here=False)
    stamp = shards.difficulties.stamp(task.backbone, task.dataset)
    if stamp in (None, task.known_stamp) or not shards.difficulties.has(task.backbone, task.dataset):
        return None
    return FinishedTask(task, Outcome.OK, 0.0, here=False)
