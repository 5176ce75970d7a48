"""Runs tasks on a Ray cluster; answers travel back through Ray, so driver and nodes need no folder in common.

The driver writes every shard, as the local launcher's workers would. A node that goes away costs nothing but time: what
ran there runs again elsewhere. A worker that dies on a healthy node costs its run, as on one machine.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from bench._util.interrupts import counted_interrupts
from bench.errors import LaunchError, RunTimeoutError, WorkerDiedError, WorkerKilledError
from bench.launch.affinity_queue import AffinityQueue
from bench.launch.execute import ComputedResult, failed_result, store_result
from bench.launch.limits import GRACE, timeout_message
from bench.launch.protocol import FinishedTask, LaunchSummary, Outcome, Surroundings, Task, dump_task, load_runner
from bench.launch.ray_cluster import (
    AUTO,
    RunResources,
    capacity,
    connected,
    no_capacity,
    node_is_gone,
    ran_out_of_memory,
    send_files,
    short_error,
)
from bench.launch.ray_worker import RayWorker
from bench.launch.task_executor import TaskExecutor

TURN_SECONDS = 0.5
"""Ctrl-C is noticed within this time."""
CENSUS_SECONDS = 5.0
"""How often the cluster is asked whether it has grown or shrunk."""
FAILED_STARTS = 3
"""Workers that may fail to start before no more are tried."""


@dataclass(frozen=True)
class RayLauncher:
    """A launcher whose workers are actors, spread over the nodes of a cluster.

    Args:
        surroundings: runs folder of this machine; context and runner of every worker. Folders of data and cache are
            those of the nodes (`~` is the home folder there); weights and named files are sent along.
        address: see `connected`.
        share: what one run takes of its node.
        jobs: workers to ask for, also where the cluster has to grow for them; None for as many as fit.
        runtime_env: Ray's runtime environment of the workers, beside the harness's code.
        node_losses: how often a task may lose its node before it counts as failed.
        on_notice: told in one line about Ctrl-C, and about workers and nodes that died.
    """

    surroundings: Surroundings
    address: str = AUTO
    share: RunResources = field(default_factory=RunResources)
    jobs: int | None = None
    runtime_env: Mapping[str, Any] = field(default_factory=dict)
    node_losses: int = 3
    on_notice: Callable[[str], None] = lambda _text: None

    def launch(self, tasks: Sequence[Task], *, on_finished: Callable[[FinishedTask], None]) -> LaunchSummary:
        """Run all tasks on the cluster.

        The first Ctrl-C lets current runs finish; the second ends them, and they count as not done.

        Raises:
            LaunchError: the cluster cannot be reached or holds no run, or no worker could start.
            UsageError: an address or a runtime environment that Ray does not take.
        """
        if not tasks:
            return LaunchSummary((), interrupted=False)
        # Ray prints remarks of its own; standard output is for results
        with redirect_stdout(sys.stderr), connected(self.address, self.runtime_env):
            sweep = _Sweep(self, AffinityQueue(tasks), on_finished)
            with counted_interrupts(sweep.interrupt):
                try:
                    sweep.run()
                finally:
                    sweep.close()
        return LaunchSummary(tuple(sweep.finished), sweep.interrupts > 0)


@dataclass
class _Worker:
    """One actor, what it was asked last, and where it is once it has answered at all.

    Its desk is in the driver, which takes the leases and writes the shards.
    """

    number: int
    actor: Any
    asked: Any
    desk: TaskExecutor
    node: str | None = None
    task: Task | None = None
    since: float = 0.0


class _Sweep:
    """The state of one `launch`: who does what, what is done, and whether to stop."""

    def __init__(
        self, launcher: RayLauncher, waiting: AffinityQueue, on_finished: Callable[[FinishedTask], None]
    ) -> None:
        self.launcher = launcher
        self.waiting = waiting
        self.on_finished = on_finished
        self.runner = load_runner(launcher.surroundings.runner)
        self.finished: list[FinishedTask] = []
        self.interrupts = 0
        self.unwritten = False
        self.workers: list[_Worker] = []
        self._numbers = itertools.count(1)
        self._losses: Counter[str] = Counter()
        self._failed_starts = 0
        self._stopping = False
        self._begin = time.monotonic()
        self._next_census = self._begin
        self._told_waiting = False
        self._actor, self._luggage = _actor(launcher)

    def run(self) -> None:
        if self.launcher.jobs is None and not capacity(self.launcher.share):
            raise LaunchError(no_capacity(self.launcher.share))
        self._census()
        while self.workers:
            self._turn()
            if self.interrupts > 1:
                return

    def interrupt(self, count: int) -> None:
        """Take note of Ctrl-C; the next turn acts on it."""
        self.interrupts = count

    def close(self) -> None:
        """End whatever still runs (after a second Ctrl-C, or when something raised here)."""
        for worker in list(self.workers):
            self._dismiss(worker)

    def _turn(self) -> None:
        done, _ = ray.wait([worker.asked for worker in self.workers], timeout=TURN_SECONDS)
        if self.interrupts:
            self._stop_handing_out()
        self._end_the_late()
        for worker in [worker for worker in self.workers if worker.asked in done]:
            try:
                self._hear(worker, ray.get(worker.asked))
            except RayError as error:
                self._bury(worker, error)
        if time.monotonic() >= self._next_census:
            self._census()

    def _census(self) -> None:
        """Hire as many workers as there are room and tasks for: at the start, and whenever a node has come or gone."""
        self._next_census = time.monotonic() + CENSUS_SECONDS
        if self.stopping or self._failed_starts >= FAILED_STARTS:
            return
        jobs = self.launcher.jobs
        room = capacity(self.launcher.share)
        idle = sum(worker.task is None for worker in self.workers)
        wanted = min(len(self.waiting) - idle, (room if jobs is None else jobs) - len(self.workers))
        for _ in range(wanted):
            self._hire()
        self._tell_waiting(room)

    def _tell_waiting(self, room: int) -> None:
        """Say once that the cluster has to grow before anything can run."""
        if not room and not self._told_waiting and time.monotonic() - self._begin > CENSUS_SECONDS:
            self._told_waiting = True
            self.launcher.on_notice(f"Waiting for a node. {no_capacity(self.launcher.share)} Ctrl-C gives up.")

    def _hire(self) -> None:
        actor = self._actor.remote(*self._luggage)
        desk = TaskExecutor(self.launcher.surroundings, self.runner, own_process=False)
        self.workers.append(_Worker(next(self._numbers), actor, actor.ready.remote(), desk))

    def _stop_handing_out(self) -> None:
        if self._stopping:
            return
        self._stopping = True
        running = [worker for worker in self.workers if worker.task is not None]
        self.launcher.on_notice(f"Stopping after the {len(running)} current runs; Ctrl-C again to stop at once.")
        for worker in [worker for worker in self.workers if worker.task is None]:
            self._dismiss(worker)

    @property
    def stopping(self) -> bool:
        """Whether nothing more is handed out."""
        return self.interrupts > 0 or self.unwritten

    def _end_the_late(self) -> None:
        """End workers that cannot even end a run whose time is over; they are buried like any other."""
        limit = self.launcher.surroundings.limits.seconds
        for worker in self.workers:
            if limit is not None and worker.task is not None and time.monotonic() > worker.since + limit + GRACE:
                ray.kill(worker.actor)

    def _hear(self, worker: _Worker, said: ComputedResult | str) -> None:
        """A worker is ready, or has an answer."""
        if isinstance(said, str):
            worker.node, self._failed_starts = said, 0
            worker.desk.__enter__()
        else:
            self._settle(worker, said)
        while not self.stopping and (task := self.waiting.take(worker.number)) is not None:
            if (other := worker.desk.begin(task)) is None:
                worker.task, worker.since = task, time.monotonic()
                worker.asked = worker.actor.execute.remote(dump_task(task))
                return
            self._report(other)
        self._dismiss(worker)

    def _settle(self, worker: _Worker, given: ComputedResult) -> None:
        """Write what a worker answered and give its task back."""
        done = store_result(given, self.runner, self.launcher.surroundings)
        worker.desk.end(given.task)
        worker.task = None
        self._report(done)

    def _bury(self, worker: _Worker, error: RayError) -> None:
        """A worker ended instead of answering: by its run, with its node, or before it could take a task."""
        self._next_census = 0.0
        task = worker.task
        if task is None:
            self._dismiss(worker)
            if not self.interrupts:
                self._lose(error)
            return
        gone = node_is_gone(worker.node, error)
        self._losses[task.key] += gone
        if gone and self._losses[task.key] <= self.launcher.node_losses:
            self.launcher.on_notice(f"A Ray node went away during {task.label}; the run is done again elsewhere.")
            self.waiting.put_back(task)
        else:
            died = self._why(worker, error, losses=self._losses[task.key] if gone else 0)
            self.launcher.on_notice(f"A Ray worker ended during {task.label}: {short_error(error)}")
            seconds = time.monotonic() - worker.since
            context = self.launcher.surroundings.context
            self._settle(worker, failed_result(task, died, self.runner, context, seconds=seconds))
        self._dismiss(worker)

    def _why(self, worker: _Worker, error: RayError, *, losses: int) -> Exception:
        """The error of the run in the middle of which a worker ended."""
        limit = self.launcher.surroundings.limits.seconds
        if limit is not None and time.monotonic() - worker.since >= limit:
            return RunTimeoutError(timeout_message(limit))
        if losses:
            return WorkerDiedError(f"its Ray node was lost {losses} times during this run.")
        if ran_out_of_memory(error):
            return WorkerKilledError(
                "Ray ended the worker during this run since its node ran out of memory; let fewer runs share a node "
                "with --cpus-per-run."
            )
        return WorkerDiedError(
            f"worker died ({short_error(error)}) during this run. `ray logs` on the cluster has what it printed."
        )

    def _lose(self, error: RayError) -> None:
        """A worker that never started is tried again a few times; without any worker left the sweep cannot go on."""
        self._failed_starts += 1
        problem = f"A Ray worker could not start: {short_error(error)}"
        if self._failed_starts >= FAILED_STARTS and not self.workers and len(self.waiting):
            raise LaunchError(problem) from error
        self.launcher.on_notice(problem)

    def _dismiss(self, worker: _Worker) -> None:
        self.workers.remove(worker)
        self.waiting.remove_worker(worker.number)
        if worker.task is not None:
            worker.desk.end(worker.task)
        if worker.node is not None:
            worker.desk.__exit__(None, None, None)
        ray.kill(worker.actor)

    def _report(self, item: FinishedTask) -> None:
        self.finished.append(item)
        self.unwritten = self.unwritten or item.outcome is Outcome.UNWRITTEN
        self.on_finished(item)


def _actor(launcher: RayLauncher) -> tuple[Any, tuple[Any, ...]]:
    """The actor class with what one takes of a node, and the arguments of each."""
    share, surroundings = launcher.share, launcher.surroundings
    context = surroundings.context
    bare = context.model_copy(update={"files": {}, "weights": {}})
    options = {"num_cpus": share.cpus, "num_gpus": share.gpus, "scheduling_strategy": "SPREAD"}
    luggage = (
        str(Path.cwd()),
        surroundings.model_copy(update={"context": bare}).model_dump_json(),
        send_files(context.files),
        send_files(context.weights),
    )
    return ray.remote(**options)(RayWorker), luggage
