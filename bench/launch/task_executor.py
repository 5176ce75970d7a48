"""One process at its work: it says that it is there, takes tasks that nobody else has, and gives them back."""

from __future__ import annotations

import time
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from bench.coordination.heartbeat import Heartbeat
from bench.coordination.leases import Leases
from bench.launch.execute import execute, store_result, write_failure
from bench.launch.limits import deadline
from bench.launch.log_capture import capture_output
from bench.launch.protocol import FinishedTask, Outcome, Runner, RunTask, Surroundings, Task
from bench.record import RunStatus
from bench.results.shards import Shards

LOGS = "logs"
"""Folder, below the runs, of what runs and workers print."""
CHECKPOINTS = "checkpoints"
"""Folder, below the runs, of the states of trainings that are not finished."""


class TaskExecutor:
    """Where a process does tasks; a context manager.

    A process that computes answers which another one writes only calls `begin` and `end` around them, at the writer's.

    Args:
        surroundings: runs folder, context, limits.
        runner: does the experiments.
        own_process: whether this process is for these tasks alone, so that a run may end it when its time is over, and
            what it prints goes to a file of its own.
    """

    def __init__(self, surroundings: Surroundings, runner: Runner, *, own_process: bool) -> None:
        self.surroundings = surroundings
        self.runner = runner
        self.own_process = own_process
        self.heartbeat = Heartbeat(surroundings.runs, "worker", {"sweep": surroundings.sweep, "task": None})
        self.leases = Leases(surroundings.runs, self.heartbeat)
        self.shards = Shards(surroundings.runs)

    def __enter__(self) -> Self:
        """Begin; raises OSError if the runs folder cannot be written."""
        self.heartbeat.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.heartbeat.__exit__(kind, error, trace)

    def perform(self, task: Task) -> FinishedTask:
        """Do one task here and commit its shard, unless another process has done it or is at it."""
        if (other := self.begin(task)) is not None:
            return other
        try:
            return self._do(task)
        finally:
            self.end(task)

    def begin(self, task: Task) -> FinishedTask | None:
        """Take a task. None means that it is this process's now; otherwise what there is to report instead."""
        try:
            if not self.leases.acquire(task.key):
                return FinishedTask(task, Outcome.ELSEWHERE, 0.0, here=False)
        except OSError as error:
            return write_failure(task, self.surroundings, error)
        if (done := existing_result(task, self.shards)) is not None:
            self.leases.release(task.key)
            return done
        run = task.spec.run_id if isinstance(task, RunTask) else None
        self.heartbeat.update(task=task.label, run_id=run, attempt=task.attempt, since=time.monotonic())
        return None

    def end(self, task: Task) -> None:
        """Give a task back, done or not."""
        self.heartbeat.update(task=None, run_id=None, attempt=None, since=time.monotonic())
        self.leases.release(task.key)

    def _do(self, task: Task) -> FinishedTask:
        around = self.surroundings
        log = around.runs / LOGS / f"{task.key}.log"
        checkpoints = around.runs / CHECKPOINTS
        context = around.context.model_copy(update={"checkpoints": checkpoints})
        with ExitStack() as stack:
            try:
                output = stack.enter_context(capture_output(log, append=task.attempt > 1)) if self.own_process else None
            except OSError as error:
                return write_failure(task, around, error)
            with deadline(around.limits, end_process=output):
                given = execute(task, self.runner, context)
        done = store_result(given, self.runner, around)
        if done.outcome is Outcome.OK or (done.outcome is Outcome.FAILED and not done.memory):
            (checkpoints / f"{task.key}.safetensors").unlink(missing_ok=True)
        return done


def existing_result(task: Task, shards: Shards) -> FinishedTask | None:
    """What somebody else made of a task since it was planned; None if nobody did."""
    if isinstance(task, RunTask):
        stamp = shards.stamp(task.spec.run_id)
        status = None if stamp in (None, task.known_stamp) else shards.status(task.spec.run_id)
        if status is None:
            return None
        failed = status is RunStatus.FAILED
        return FinishedTask(
            task, Outcome.FAILED if failed else Outcome.OK, 0.0, _BY_OTHERS if failed else "", here=False
        )
    stamp = shards.difficulties.stamp(task.backbone, task.dataset)
    if stamp in (None, task.known_stamp) or not shards.difficulties.has(task.backbone, task.dataset):
        return None
    return FinishedTask(task, Outcome.OK, 0.0, here=False)


_BY_OTHERS = "it failed in another sweep"
