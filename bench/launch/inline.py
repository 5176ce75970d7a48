"""Runs tasks one after the other in this process: for debugging, and for machines that spare no second process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass

from bench._util.interrupts import counted_interrupts
from bench.launch.affinity_queue import AffinityQueue
from bench.launch.protocol import FinishedTask, LaunchSummary, Outcome, Surroundings, Task, load_runner
from bench.launch.task_executor import TaskExecutor


@dataclass(frozen=True)
class InlineLauncher:
    """A launcher without workers. A run that kills its process kills the sweep; the finished shards stay."""

    surroundings: Surroundings

    def launch(self, tasks: Sequence[Task], *, on_finished: Callable[[FinishedTask], None]) -> LaunchSummary:
        """Run all tasks here; the first Ctrl-C stops after the current one, the second in the middle of it."""
        runner = load_runner(self.surroundings.runner)
        waiting = AffinityQueue(tasks)
        finished: list[FinishedTask] = []
        interrupted = False

        def on_interrupt(count: int) -> None:
            nonlocal interrupted
            interrupted = True
            if count > 1:
                raise KeyboardInterrupt

        with counted_interrupts(on_interrupt), TaskExecutor(self.surroundings, runner, own_process=False) as desk:
            try:
                while not interrupted and (task := waiting.take(0)) is not None:
                    with redirect_stdout(sys.stderr):  # standard output is for results, whatever a method prints
                        finished.append(desk.perform(task))
                    on_finished(finished[-1])
                    if finished[-1].outcome is Outcome.UNWRITTEN:
                        break
            except KeyboardInterrupt:
                interrupted = True
        return LaunchSummary(tuple(finished), interrupted)
