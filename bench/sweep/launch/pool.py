"""Runs the tasks of a sweep on this machine: starts workers, and tries again what failed."""

import itertools
import math
import multiprocessing
import os
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from bench._util.interrupts import counted_interrupts
from bench._util.memory import collect_only_new_objects
from bench._util.words import counted
from bench.errors import NoWorkerError
from bench.results import Shards
from bench.sweep.launch.task_claims import Claims, living, remove_leftovers
from bench.sweep.launch.task_executor import existing_result, failed_result, load_runner, store_result
from bench.sweep.launch.tasks import (
    DifficultyTask,
    FinishedTask,
    LaunchSummary,
    Outcome,
    RunTask,
    Surroundings,
    Task,
)
from bench.sweep.launch.worker import LOGS, process_main, work
from bench.sweep.launch.worker_limits import (
    CAN_LIMIT_MEMORY,
    GRACE,
    THREAD_VARIABLES,
    device_variables,
    kills_for_memory,
)
from bench.sweep.launch.worker_logs import describe_exit, exit_error, log_tail
from datasets_registry import BenchError

SMALL_BATCH = 8
"""Evaluation batch of a run that is repeated because it ran out of memory after its training."""
LOOK_SECONDS = 0.2
"""Seconds within which Ctrl-C and overdue runs are noticed."""
MOST_DEATHS = 5
"""Workers that may die one after the other outside a run, before the sweep ends."""
STOPPED_SECONDS = 10.0
"""Seconds between two checks for workers that a signal has stopped."""


def worker_environment(threads: int, device: str = "cpu") -> dict[str, str]:
    """The environment of a worker. Of the thread variables, only the first overrides the user's value."""
    _, *overridable = THREAD_VARIABLES
    exported = {name: os.environ[name] for name in overridable if name in os.environ}
    return os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads)) | exported | device_variables(device)


@dataclass
class _Worker:
    process: BaseProcess
    link: Connection
    log: Path
    task: Task | None = None
    since: float = 0.0
    started: bool = False
    left: bool = False
    overdue: bool = False
    kills_before: int = 0


@dataclass
class Pool:
    """Runs tasks until each has ended.

    Args:
        jobs: worker processes; 0 computes in this process, where a run that kills it ends the sweep.
        gpus: values of `CUDA_VISIBLE_DEVICES` with one GPU each, over which workers are spread.
        method: `fork` or `spawn`, of `multiprocessing`.
        retries: how often a failed task is tried again, after all others. A run that ran out of memory is first
            repeated alone, if it shared the memory, and with `SMALL_BATCH`, unless it failed in training. One that was
            killed is repeated once alone. These attempts do not count.
        wait: whether to wait for tasks that other sweeps work on.
        on_finished: called after every attempt; its second argument is whether the task will be tried again.
        on_notice: called with one line about Ctrl-C, dead workers and waiting.
        interrupts: how often Ctrl-C was pressed. Once lets current runs finish; twice stops them, and they count as not
            done.
    """

    around: Surroundings
    jobs: int
    gpus: Sequence[str] = ()
    method: str = "spawn"
    retries: int = 0
    wait: bool = True
    on_finished: Callable[[FinishedTask, bool], None] = lambda _item, _again: None
    on_notice: Callable[[str], None] = lambda _text: None
    interrupts: Callable[[], int] = lambda: 0
    _open: dict[str, Task] = field(default_factory=dict)
    _again: list[Task] = field(default_factory=list)
    _settled: set[str] = field(default_factory=set)
    _uncounted: Counter[str] = field(default_factory=Counter)
    _workers: list[_Worker] = field(default_factory=list)
    _ended: bool = False
    _deaths: int = 0

    def __post_init__(self) -> None:
        self.shards = Shards(self.around.runs)
        self._tag, self._numbers = uuid.uuid4().hex[:8], itertools.count(1)
        self._next_look = time.monotonic() + STOPPED_SECONDS
        self._named_stopped: set[str] = set()

    @property
    def shares_memory(self) -> bool:
        """Whether several runs may be computed at the same time on one machine."""
        return self.jobs > 1

    def run(self, tasks: Sequence[Task]) -> int:
        """Run all tasks; returns how many are left to other sweeps. Raises NoWorkerError if no worker could start.

        Ends early, and returns 0, after Ctrl-C or if a result cannot be written.
        """
        if self.around.memory_bytes is not None and not CAN_LIMIT_MEMORY:
            self.on_notice("--memory has no effect on this system: only Linux can limit the memory of a process.")
        load_runner(self.around.runner)
        while tasks and not self._stopping:
            self._open |= {task.key: task for task in tasks}  # beside what other sweeps still work on
            self._again, self._settled = [], set()
            alone = [task for task in tasks if isinstance(task, RunTask) and task.alone]
            self._round([task for task in tasks if task not in alone], self.jobs)
            self._round(alone, min(self.jobs, 1))
            tasks = self._again + self._left_by_others()
        return 0 if self._stopping else len(self._open)

    @property
    def _stopping(self) -> bool:
        return self.interrupts() > 0 or self._ended

    def _round(self, tasks: Sequence[Task], jobs: int) -> None:
        """Compute each task once, unless another sweep has it."""
        if not tasks or self._stopping:
            return
        if not jobs:
            with (
                redirect_stdout(sys.stderr),  # standard output is for results, whatever a method prints
                collect_only_new_objects(),
                Claims(self.around.runs, "worker", {"sweep": self.around.sweep, "task": None}) as claims,
            ):
                work(self.around, tasks, self._task_ended, lambda: self._stopping, claims=claims, settled=self._settled)
            return
        try:
            for _ in range(min(jobs, len(tasks))):
                self._start(tasks, jobs)
            draining = False
            while self._workers:
                for worker in self._listen():
                    self._ended_worker(worker, tasks, jobs)
                if self._stopping and not draining:
                    draining = True
                    self._say_that_it_stops(sum(worker.task is not None for worker in self._workers))
                    for worker in self._workers:  # they finish their runs and start no others
                        with suppress(OSError):
                            worker.link.send("")
                if self.interrupts() > 1:
                    return
                self._kill_overdue()
                self._report_stopped()
        finally:
            for worker in self._workers:
                worker.process.kill()
                worker.process.join()
            self._workers = []

    def _start(self, tasks: Sequence[Task], jobs: int) -> None:
        log = self.around.runs / LOGS / f"worker-{self._tag}-{next(self._numbers)}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()
        open_tasks = [task for task in tasks if task.key in self._open]
        first = len(self._workers) * len({task.group for task in open_tasks}) // jobs
        own_end, worker_end = multiprocessing.Pipe()
        context = multiprocessing.get_context(self.method)
        arguments = (self.around, open_tasks, first, self.gpus, worker_end, log, os.getpid())
        process = context.Process(target=process_main, args=arguments)  # type: ignore[attr-defined]
        with worker_end:
            if self.method == "fork":
                process.start()
            else:
                with _for_spawning(worker_environment(self.around.context.threads, self.around.context.device)):
                    process.start()
        self._workers.append(_Worker(process, own_end, log))

    def _listen(self) -> list[_Worker]:
        """Handle what workers say; returns those that have ended."""
        ended = []
        ready = wait([worker.link for worker in self._workers], timeout=LOOK_SECONDS)
        for worker in [worker for worker in self._workers if worker.link in ready]:
            try:
                while worker.link.poll():
                    message: tuple[Task, float] | FinishedTask | bool | None = worker.link.recv()
                    worker.started = True
                    if isinstance(message, tuple):  # it begins a task
                        (worker.task, worker.since), worker.kills_before = message, kills_for_memory()
                    elif isinstance(message, FinishedTask):
                        worker.task = None
                        self._task_ended(message)
                    else:
                        worker.left = bool(message)
            except (EOFError, OSError):
                ended.append(worker)
        return ended

    def _task_ended(self, finished: FinishedTask) -> None:
        """A task has ended."""
        if self._open.pop(finished.task.key, None) is None:
            return  # two workers may have failed one after the other, without leaving a result
        self._ended |= finished.outcome.ends_sweep
        following = self._next_attempt(finished) if finished.outcome is Outcome.FAILED and finished.here else None
        self._again += [] if following is None else [following]
        if finished.outcome is Outcome.FAILED:  # it may have left no result, and no worker is to take it
            self._settled.add(finished.task.key)
            for worker in self._workers:
                with suppress(OSError):
                    worker.link.send(finished.task.key)
        self.on_finished(finished, following is not None)

    def _ended_worker(self, worker: _Worker, tasks: Sequence[Task], jobs: int) -> None:
        """Record the run that a worker died in, and replace the worker if it left tasks."""
        self._workers.remove(worker)
        worker.link.close()
        worker.process.join()
        code = worker.process.exitcode or 0
        lost_nothing = code and worker.task is None
        self._deaths = self._deaths + 1 if lost_nothing else 0
        if (not worker.started or self._deaths > MOST_DEATHS) and not self._stopping:
            raise NoWorkerError(
                f"A worker could not work ({describe_exit(code)}). Last line of its log: {log_tail(worker.log)} "
                f"(full log: {worker.log}). --jobs 0 runs in this process and shows more."
            )
        if worker.task is not None and self.interrupts() < 2:
            self.on_notice(f"A worker {describe_exit(code)} during {worker.task.label}.")
            limit, seconds = self.around.timeout, time.monotonic() - worker.since
            late = limit is not None and (worker.overdue or seconds >= limit)
            log = f"Its output: {self.around.runs / LOGS / f'{worker.task.key}.log'}"
            for_memory = kills_for_memory() > worker.kills_before
            error = exit_error(code, log, for_memory=for_memory, timeout=limit if late else None)
            self._record_failure(worker.task, error, seconds)
        if code:
            remove_leftovers(self.around.runs)
        with suppress(FileNotFoundError):  # of a runs folder that was removed
            if worker.log.stat().st_size == 0:
                worker.log.unlink()
        open_tasks = sum(task.key in self._open for task in tasks)
        if not worker.left and open_tasks > len(self._workers) and not self._stopping:
            self._start(tasks, jobs)

    def _record_failure(self, task: Task, error: BenchError, seconds: float) -> None:
        runner = load_runner(self.around.runner)
        self._task_ended(
            store_result(failed_result(task, error, runner, self.around.context, seconds=seconds), self.around)
        )

    def _say_that_it_stops(self, busy: int) -> None:
        if self.interrupts():
            waits = f"Stopping after the {busy} current runs. Press Ctrl-C again to stop now."
            self.on_notice(waits if busy else "Stopping. No run is in progress.")

    def _kill_overdue(self) -> None:
        """Kill workers that did not end their run themselves at its time limit."""
        limit = self.around.timeout
        latest = time.monotonic() - (math.inf if limit is None else limit + GRACE)
        for worker in self._workers:
            if worker.task is not None and worker.since < latest and not worker.overdue:
                worker.overdue = True
                worker.process.kill()

    def _report_stopped(self) -> None:
        """Report workers on this machine, also of other sweeps, that a signal has stopped during a task."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + STOPPED_SECONDS
        for item in living(self.around.runs):
            task, pid = item.facts.get("task"), item.process.pid
            if task is not None and item.name not in self._named_stopped and item.process.stopped:
                self._named_stopped.add(item.name)
                self.on_notice(
                    f"Worker {pid} was stopped by a signal during {task} and holds it; `kill -CONT {pid}` resumes it, "
                    f"`kill -KILL {pid}` gives its run to others."
                )

    def _next_attempt(self, item: FinishedTask) -> Task | None:
        """The task to try again, or None if the attempts are used up."""
        task = item.task
        if isinstance(task, DifficultyTask):
            return replace(task, attempt=task.attempt + 1) if task.attempt <= self.retries else None
        stamp = self.shards.stamp(task.spec.run_id)
        again = replace(task, attempt=task.attempt + 1, known_stamp=stamp)
        if item.memory:
            alone = task.alone or self.shares_memory
            smaller = replace(again, alone=alone, eval_batch=task.eval_batch if item.in_training else SMALL_BATCH)
            if (smaller.alone, smaller.eval_batch) != (task.alone, task.eval_batch):
                self._uncounted[task.key] += 1
                return smaller
        elif item.killed and not self._uncounted[task.key]:  # perhaps for memory, which would change the last digits
            self._uncounted[task.key] += 1
            return replace(again, alone=task.alone or self.shares_memory)
        return again if task.attempt - self._uncounted[task.key] <= self.retries else None

    def _left_by_others(self) -> list[Task]:
        """Wait until the other sweeps have finished their tasks, or left some without a result, which are returned."""
        claims, said = Claims(self.around.runs, "sweep"), False
        while self._open and not self._stopping:
            for task in list(self._open.values()):
                if (existing := existing_result(task, self.shards)) is not None:
                    self._task_ended(existing)
            free = [task for task in self._open.values() if claims.free_if_dead(task.key)]
            if free or self._again or not self.wait:
                return free
            if self._open:
                if not said:
                    said = True
                    self.on_notice(f"Waiting for {counted(len(self._open), 'run')} that other sweeps are working on.")
                time.sleep(LOOK_SECONDS)
                self._report_stopped()
        return []


def launch(
    run: Callable[..., int],
    tasks: Sequence[Task],
    *,
    on_finished: Callable[[FinishedTask, bool], None] = lambda _item, _again: None,
    on_notice: Callable[[str], None] = lambda _text: None,
    raise_second: bool = False,
) -> LaunchSummary:
    """Run tasks by `run`, which takes what `Pool` calls, and returns how many are left to other sweeps.

    With `raise_second`, for runs in this process, the second Ctrl-C interrupts their code.
    """
    finished: list[FinishedTask] = []

    def task_ended(item: FinishedTask, again: bool) -> None:
        if not again:
            finished.append(item)
        on_finished(item, again)

    held_elsewhere = 0
    with counted_interrupts(raise_second=raise_second, on_terminate=True) as pressed, suppress(KeyboardInterrupt):
        held_elsewhere = run(tasks, on_finished=task_ended, on_notice=on_notice, interrupts=lambda: pressed.count)
    return LaunchSummary(tuple(finished), pressed.count > 0, held_elsewhere)


@contextmanager
def _for_spawning(environment: dict[str, str]) -> Iterator[None]:
    """This process's environment for a worker. A worker does not import the script that started the sweep again."""
    main, before = sys.modules["__main__"], dict(os.environ)
    hidden: dict[str, Any] = {name: vars(main).pop(name) for name in ("__spec__", "__file__") if name in vars(main)}
    main.__spec__ = None
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        vars(main).update(hidden)
