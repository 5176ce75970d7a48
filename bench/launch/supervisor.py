"""A sweep to its end: launches tasks, tries again what failed, waits for what other sweeps are at. For any launcher."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from bench._util.interrupts import counted_interrupts
from bench.coordination.leases import Leases
from bench.launch.protocol import FinishedTask, Launcher, LaunchSummary, Outcome, RunTask, Task
from bench.launch.task_executor import existing_result
from bench.results.shards import Shards

SMALLER_BATCHES = (32, 8)
"""Evaluation batches for the second and third attempt of a run that ran out of memory."""
_LOOK = 0.5


class Supervisor:
    """Launches again and again until every task has ended.

    Args:
        launcher: does the tasks of one round.
        shards: of the runs folder.
        leases: this sweep's view of who is at what.
        retries: how often a task that failed is tried again. One that ran out of memory is tried with smaller
            evaluation batches first, which does not count.
        on_finished: told of every attempt that ended, with whether the task is tried again.
        on_notice: told in one line what the sweep waits for.
    """

    def __init__(
        self,
        launcher: Launcher,
        shards: Shards,
        leases: Leases,
        *,
        retries: int,
        on_finished: Callable[[FinishedTask, bool], None],
        on_notice: Callable[[str], None],
    ) -> None:
        self.launcher = launcher
        self.shards = shards
        self.leases = leases
        self.retries = retries
        self.on_finished = on_finished
        self.on_notice = on_notice
        self._finished: list[FinishedTask] = []
        self._again: list[Task] = []
        self._elsewhere: list[Task] = []

    def run(self, tasks: Sequence[Task]) -> LaunchSummary:
        """Run all tasks; returns early if interrupted, or if answers cannot be written."""
        todo = list(tasks)
        while todo:
            self._again = []
            summary = self.launcher.launch(todo, on_finished=self._note)
            if summary.interrupted or self._result(interrupted=False).unwritten is not None:
                return self._result(interrupted=summary.interrupted)
            todo = self._again + self._free()
            if not todo and self._elsewhere:
                todo, interrupted = self._wait()
                if interrupted:
                    return self._result(interrupted=True)
        return self._result(interrupted=False)

    def _note(self, item: FinishedTask) -> None:
        if item.outcome is Outcome.ELSEWHERE:
            self._elsewhere.append(item.task)
            return
        if item.outcome is Outcome.FAILED:
            self.leases.break_if_dead(item.task.key)  # of a worker that died
        following = self._following(item) if item.outcome is Outcome.FAILED and item.here else None
        if following is None:
            self._finished.append(item)
        else:
            self._again.append(following)
        self.on_finished(item, following is not None)

    def _following(self, item: FinishedTask) -> Task | None:
        """The task of the next attempt, or None if that was the last."""
        task = item.task
        if isinstance(task, RunTask):
            stamp = self.shards.stamp(task.spec.run_id)
            smaller = next((n for n in SMALLER_BATCHES if task.eval_batch is None or n < task.eval_batch), None)
            if item.memory and smaller is not None:
                return replace(task, known_stamp=stamp, attempt=task.attempt + 1, eval_batch=smaller)
            if task.attempt - self._for_memory(task) <= self.retries:
                return replace(task, known_stamp=stamp, attempt=task.attempt + 1)
            return None
        return replace(task, attempt=task.attempt + 1) if task.attempt <= self.retries else None

    def _for_memory(self, task: RunTask) -> int:
        """How many attempts of a run were only for want of memory."""
        return 0 if task.eval_batch is None else 1 + SMALLER_BATCHES.index(task.eval_batch)

    def _free(self) -> list[Task]:
        """The tasks that others have let go of without an answer; those that they answered are reported."""
        free, held = [], []
        for task in self._elsewhere:
            if (done := existing_result(task, self.shards)) is not None:
                self._note(done)
            elif self.leases.break_if_dead(task.key):
                free.append(task)
            else:
                held.append(task)
        self._elsewhere = held
        return free

    def _wait(self) -> tuple[list[Task], bool]:
        """Look until something becomes free or all is answered; also whether Ctrl-C ended the waiting."""
        interrupts = 0

        def on_interrupt(count: int) -> None:
            nonlocal interrupts
            interrupts = count

        self.on_notice(f"Waiting for {len(self._elsewhere)} runs that other sweeps are at.")
        with counted_interrupts(on_interrupt):
            while not (free := self._free()) and self._elsewhere and not interrupts:
                time.sleep(_LOOK)
        return free, interrupts > 0

    def _result(self, *, interrupted: bool) -> LaunchSummary:
        return LaunchSummary(tuple(self._finished), interrupted)
