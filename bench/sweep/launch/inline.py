"""Runs tasks one after the other in this process: for debugging, or if a second process needs too much memory."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack, redirect_stdout
from typing import Self

from bench._util.memory import collect_only_new_objects
from bench.sweep.launch.task_executor import TaskExecutor
from bench.sweep.launch.tasks import Surroundings, Task
from bench.sweep.launch.transport import Done, Event, Exited, Ready, Transport


class InlineTransport(Transport):
    """This process as the only worker. A run that kills it ends the sweep; the shards of finished runs remain."""

    in_process = True
    enforce_timeout = False

    def __init__(self, surroundings: Surroundings) -> None:
        self.surroundings = surroundings
        self._executor = TaskExecutor(surroundings, own_process=False)
        self._task: Task | None = None
        self._events: list[Event] = []

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._executor)
            stack.enter_context(collect_only_new_objects())
            self._entered = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._entered.close()

    def capacity(self) -> int:
        return 1

    def start(self) -> int:
        self._events.append(Ready(0))
        return 0

    def submit(self, worker: int, task: Task) -> None:  # noqa: ARG002
        self._task = task

    def poll(self, seconds: float) -> list[Event]:  # noqa: ARG002
        if self._task is not None:
            task, self._task = self._task, None
            with redirect_stdout(sys.stderr):  # standard output is for results, whatever a method prints
                self._events.append(Done(0, self._executor.run(task)))
        events, self._events = self._events, []
        return events

    def dismiss(self, worker: int) -> None:
        self._events.append(Exited(worker))

    def kill(self, workers: Sequence[int]) -> None:
        pass  # a second Ctrl-C has already interrupted the run
