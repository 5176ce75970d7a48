"""Runs a sweep on any transport: assigns tasks, retries, records worker deaths, waits for other sweeps."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bench._util.interrupts import Interrupts, counted_interrupts
from bench._util.words import counted
from bench.errors import NoWorkerError
from bench.results import Shards
from bench.sweep.coordination.heartbeat import read_heartbeats
from bench.sweep.coordination.leases import Leases
from bench.sweep.coordination.leftovers import remove_leftovers
from bench.sweep.launch.affinity_queue import AffinityQueue
from bench.sweep.launch.task_executor import existing_result, failed_result, load_runner, store_result
from bench.sweep.launch.tasks import DifficultyTask, FinishedTask, LaunchSummary, Outcome, RunTask, Task
from bench.sweep.launch.transport import Done, Event, Exited, Notice, Ready, Transport
from bench.sweep.launch.worker_limits import CAN_LIMIT_MEMORY, GRACE
from bench.sweep.launch.worker_logs import run_error

SMALL_BATCH = 8
"""Evaluation batch of a run that is repeated because it ran out of memory after its training."""
NODE_LOSSES = 3
"""How often a run may lose its node before it counts as failed."""
POLL_SECONDS = 0.2
"""Seconds within which Ctrl-C and overdue runs are noticed."""
_WAIT_SECONDS = 0.5
STOPPED_SECONDS = 10.0
"""Seconds between two checks for workers that a signal has stopped."""


@dataclass
class _Worker:
    """The task of a worker, and when it received it. It is `leaving` once it was dismissed or has reported its last."""

    task: Task | None = None
    since: float = 0.0
    leaving: bool = False
    overdue: bool = False


class Supervisor:
    """Runs tasks until each has ended.

    Args:
        retries: how often a failed task is tried again, after all others. A run that ran out of memory is first
            repeated alone, if it shared the memory, and with `SMALL_BATCH`, unless it failed in training. One that was
            killed is repeated once alone. These attempts do not count.
        on_finished: called after every attempt; its second argument is whether the task will be tried again.
        on_notice: called with one line about Ctrl-C, dead workers and waiting.
    """

    def __init__(
        self,
        transport: Transport,
        leases: Leases,
        *,
        retries: int = 0,
        on_finished: Callable[[FinishedTask, bool], None] = lambda _item, _again: None,
        on_notice: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self.transport = transport
        self.surroundings = transport.surroundings
        self.shards = Shards(self.surroundings.runs)
        self.leases = leases
        self.retries = retries
        self.on_finished = on_finished
        self.on_notice = on_notice
        self._finished: list[FinishedTask] = []
        self._again: list[Task] = []
        self._held_by_others: list[Task] = []
        self._queue = AffinityQueue(())
        self._workers: dict[int, _Worker] = {}
        self._node_losses: Counter[str] = Counter()
        self._uncounted: Counter[str] = Counter()
        self._most_workers: int | None = None
        self._failed_starts = 0
        self._start_problem = "No worker is left."
        self._interrupts = Interrupts()
        self._draining = False
        self._next_look = time.monotonic() + STOPPED_SECONDS
        self._named_stopped: set[str] = set()

    def run(self, tasks: Sequence[Task]) -> LaunchSummary:
        """Run all tasks.

        The first Ctrl-C lets current runs finish; the second, or SIGTERM, stops them, and they count as not done. The
        sweep also ends early if a result cannot be written. Raises NoWorkerError if no worker could start.
        """
        if self.surroundings.limits.memory_bytes is not None and not CAN_LIMIT_MEMORY:
            self.on_notice("--memory has no effect on this system: only Linux can limit the memory of a process.")
        if tasks:
            try:
                # in this process, the second Ctrl-C must interrupt the code of the run
                stop = counted_interrupts(raise_second=self.transport.in_process, on_terminate=True)
                with stop as self._interrupts, self.transport:
                    self._run_rounds(list(tasks))
            except KeyboardInterrupt:
                pass
        if self._interrupts.count > 1:
            self._free_killed()
        return LaunchSummary(tuple(self._finished), self._interrupts.count > 0)

    def _free_killed(self) -> None:
        """Remove what killed workers leave, so that other machines need not wait until they count as dead."""
        for worker in self._workers.values():
            if worker.task is not None:
                self.leases.break_if_dead(worker.task.key)
        remove_leftovers(self.leases)

    @property
    def _stopping(self) -> bool:
        """Whether no further task is assigned."""
        return self._interrupts.count > 0 or any(item.outcome.ends_sweep for item in self._finished)

    def _run_rounds(self, todo: list[Task]) -> None:
        while todo:
            self._again = []
            alone = [task for task in todo if isinstance(task, RunTask) and task.alone]
            for group, self._most_workers in (([task for task in todo if task not in alone], None), (alone, 1)):
                if group and not self._stopping:
                    self._run_round(group)
            if self._stopping:
                return
            todo = self._again + self._released()
            if not todo and self._held_by_others:
                todo = self._wait_for_others()

    def _run_round(self, todo: Sequence[Task]) -> None:
        """Run every task once, unless another sweep works on it."""
        self._workers = {}
        self._queue = AffinityQueue(todo)
        while True:
            self._start_workers()
            if not self._workers:
                break
            events = self.transport.poll(POLL_SECONDS)
            if self._interrupts.count and not self._draining:
                self._drain()
            for event in events:
                self._handle(event)
            if self._interrupts.count > 1:
                self.transport.kill(list(self._workers))
                return
            self._kill_overdue()
            self._report_stopped()
        if self._queue and not self._stopping:
            raise NoWorkerError(self._start_problem)

    def _start_workers(self) -> None:
        if self._stopping or self._failed_starts >= self.transport.start_attempts:
            return
        starting = sum(worker.task is None for worker in self._workers.values())
        capacity = self.transport.capacity()
        most = capacity if self._most_workers is None else min(capacity, self._most_workers)
        for _ in range(min(len(self._queue) - starting, most - len(self._workers))):
            self._workers[self.transport.start()] = _Worker()

    def _handle(self, event: Event) -> None:
        match event:
            case Notice(text):
                self.on_notice(text)
            case Ready(number):
                self._failed_starts = 0
                self._assign(number)
            case Done(number, finished, last):
                worker = self._workers[number]
                worker.task = None
                worker.leaving |= last
                if finished.outcome is Outcome.HELD_BY_OTHER:
                    self._queue.leave_to_others(number)
                self._report(finished)
                if not worker.leaving:
                    self._assign(number)
            case Exited():
                self._on_exit(event)

    def _assign(self, number: int) -> None:
        worker = self._workers[number]
        if not self._stopping:
            worker.task = self._queue.take(number, self.transport.prefers_heads(number))
        worker.since = time.monotonic()
        if worker.task is None:
            self._dismiss(number)
        else:
            self.transport.submit(number, worker.task)

    def _dismiss(self, number: int) -> None:
        worker = self._workers[number]
        if not worker.leaving:
            worker.leaving = True
            self.transport.dismiss(number)

    def _drain(self) -> None:
        """Let current runs finish and start no others."""
        self._draining = True
        busy = sum(worker.task is not None for worker in self._workers.values())
        if busy:
            self.on_notice(f"Stopping after the {busy} current runs. Press Ctrl-C again to stop now.")
        else:
            self.on_notice("Stopping. No run is in progress.")
        for number, worker in self._workers.items():
            if worker.task is None:
                self._dismiss(number)

    def _kill_overdue(self) -> None:
        """Kill workers that did not end their run themselves at its time limit."""
        limit = self.surroundings.limits.seconds
        if limit is not None and self.transport.enforce_timeout:
            latest = time.monotonic() - limit - GRACE
            for number, worker in self._workers.items():
                if worker.task is not None and worker.since < latest and not worker.overdue:
                    worker.overdue = True
                    self.transport.kill([number])

    def _report_stopped(self) -> None:
        """Report workers on this machine, also of other sweeps, that a signal has stopped during a task."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + STOPPED_SECONDS
        for item in read_heartbeats(self.surroundings.runs):
            task, pid = item.facts.get("task"), item.process.pid
            if task is not None and item.name not in self._named_stopped and item.process.stopped():
                self._named_stopped.add(item.name)
                self.on_notice(
                    f"Worker {pid} was stopped by a signal during {task} and holds it; `kill -CONT {pid}` resumes it, "
                    f"`kill -KILL {pid}` gives its run to others."
                )

    def _on_exit(self, exited: Exited) -> None:
        worker = self._workers.pop(exited.worker)
        self._queue.remove_worker(exited.worker)
        if not exited.started and not self._stopping:
            self._failed_starts += 1
            self._start_problem = exited.reason
            self.on_notice(exited.reason)
        if worker.task is not None:
            self._record_exit(worker.task, worker, exited)
        self.transport.remove(exited.worker)

    def _record_exit(self, task: Task, worker: _Worker, exited: Exited) -> None:
        """Record the failure of the run during which a worker ended, or run it again if its node was lost."""
        seconds = time.monotonic() - worker.since
        self._node_losses[task.key] += exited.node_lost
        losses = self._node_losses[task.key] if exited.node_lost else 0
        if 0 < losses <= NODE_LOSSES:
            self.on_notice(f"{exited.reason} during {task.label}. The run starts again on another node.")
            self._queue.put_back(task)
            return
        self.on_notice(f"{exited.reason} during {task.label}.")
        limit = self.surroundings.limits.seconds if self.transport.enforce_timeout else None
        late = limit is not None and (worker.overdue or seconds >= limit)
        error = run_error(exited, timeout=limit if late else None, losses=losses)
        runner = load_runner(self.surroundings.runner)
        failed = failed_result(task, error, runner, self.surroundings.context, seconds=seconds)
        self._report(store_result(failed, self.surroundings))

    def _report(self, item: FinishedTask) -> None:
        if item.outcome is Outcome.HELD_BY_OTHER:
            self._held_by_others.append(item.task)
            return
        following = None
        if item.outcome is Outcome.FAILED:
            self.leases.break_if_dead(item.task.key)  # the worker may have died while holding the lease
            following = self._next_attempt(item) if item.here else None
        if following is None:
            self._finished.append(item)
        else:
            self._again.append(following)
        self.on_finished(item, following is not None)

    def _next_attempt(self, item: FinishedTask) -> Task | None:
        """The task to try again, or None if the attempts are used up."""
        task = item.task
        if isinstance(task, DifficultyTask):
            return replace(task, attempt=task.attempt + 1) if task.attempt <= self.retries else None
        stamp = self.shards.stamp(task.spec.run_id)
        again = replace(task, attempt=task.attempt + 1, known_stamp=stamp)
        if item.memory:
            alone = task.alone or self.transport.shares_memory
            smaller = replace(again, alone=alone, eval_batch=task.eval_batch if item.in_training else SMALL_BATCH)
            if (smaller.alone, smaller.eval_batch) != (task.alone, task.eval_batch):
                self._uncounted[task.key] += 1
                return smaller
        elif item.killed and not self._uncounted[task.key]:  # perhaps for memory, which would change the last digits
            self._uncounted[task.key] += 1
            return replace(again, alone=task.alone or self.transport.shares_memory)
        return again if task.attempt - self._uncounted[task.key] <= self.retries else None

    def _released(self) -> list[Task]:
        """The tasks whose leases other sweeps released without a result. Tasks with a result are reported."""
        released, held = [], []
        for task in self._held_by_others:
            if (done := existing_result(task, self.shards)) is not None:
                self._report(done)
            elif self.leases.break_if_dead(task.key):
                released.append(task)
            else:
                held.append(task)
        self._held_by_others = held
        return released

    def _wait_for_others(self) -> list[Task]:
        """Wait until other sweeps have finished their tasks or released some; returns the released tasks."""
        self.on_notice(f"Waiting for {counted(len(self._held_by_others), 'run')} that other sweeps are working on.")
        while not (released := self._released()) and self._held_by_others and not self._interrupts.count:
            time.sleep(_WAIT_SECONDS)
            self._report_stopped()
        return [] if self._interrupts.count else released
