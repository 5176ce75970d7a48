"""Runs tasks on a Ray cluster: claim a task here, compute it on a node, store its result here.

Driver and nodes need no shared folder. A run whose node is lost starts again on another node. A run that is killed on a
healthy node or runs out of memory is repeated by a new worker, as on one machine.
"""

import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from bench.errors import WorkerDiedError, WorkerKilledError, WorkerMemoryError
from bench.sweep.launch.pool import LOOK_SECONDS, Pool
from bench.sweep.launch.ray_cluster import (
    AUTO,
    ClusterHead,
    capacity,
    connected,
    no_capacity,
    node_is_gone,
    ran_out_of_memory,
    send_files,
    short_error,
    was_killed,
)
from bench.sweep.launch.ray_worker import RayWorker
from bench.sweep.launch.task_claims import Claims
from bench.sweep.launch.task_executor import store_result
from bench.sweep.launch.tasks import RunTask, Task
from bench.sweep.launch.worker import OpenTasks
from datasets_registry import BenchError

CENSUS_SECONDS = 5.0
"""Seconds between two counts of the cluster's nodes."""
NODE_LOSSES = 3
"""How often a run may lose its node before it counts as failed."""
_FAILED_STARTS = 3


@dataclass
class _Call:
    """A task that an actor computes; `node` is a reference to the id of its node."""

    actor: Any
    node: Any
    task: Task
    since: float


@dataclass
class RayPool(Pool):
    """A pool whose workers are actors, spread over the nodes of a cluster.

    The folders of data and cache are paths on the nodes, where `~` is the home folder. Weights and named files are
    sent. `jobs` workers are requested even if the cluster must grow for them; 0 takes as many as fit.

    Args:
        address: see `connected`.
        cpus_per_run: cores of one run on its node.
        gpus_per_run: GPUs of one run; several runs can share one.
    """

    address: str = AUTO
    cpus_per_run: float = 1
    gpus_per_run: float = 0
    _losses: Counter[str] = field(default_factory=Counter)
    _next_census: float = 0.0
    _room: int = 0
    _most_on_a_node: int = 0
    _failed_starts: int = 0
    _said_waiting: bool = False

    @property
    def shares_memory(self) -> bool:
        """Whether a node has room for several runs."""
        return self._most_on_a_node > 1 and self.jobs != 1

    def run(self, tasks: Sequence[Task]) -> int:
        """As `Pool.run`; raises BenchError if the cluster cannot be reached or has no node for a single run."""
        with redirect_stdout(sys.stderr), connected(self.address):  # Ray prints remarks; that stream is for results
            if not self.jobs and not capacity(self.cpus_per_run, self.gpus_per_run)[0]:
                raise BenchError(no_capacity(self.cpus_per_run, self.gpus_per_run))
            self._head, self._begin = ClusterHead(self.address), time.monotonic()
            context = self.around.context
            without_files = context.model_copy(update={"files": {}, "weights": {}})
            surroundings = self.around.model_copy(update={"context": without_files}).model_dump_json()
            self._arguments = str(Path.cwd()), surroundings, send_files(context.files), send_files(context.weights)
            options = {"num_cpus": self.cpus_per_run, "num_gpus": self.gpus_per_run, "scheduling_strategy": "SPREAD"}
            self._actor_class = ray.remote(**options)(RayWorker)
            return super().run(tasks)

    def _round(self, tasks: Sequence[Task], jobs: int) -> None:  # noqa: ARG002
        if not tasks or self._stopping:
            return
        most = 1 if all(isinstance(task, RunTask) and task.alone for task in tasks) else self.jobs
        facts = {"sweep": self.around.sweep, "task": None}
        with Claims(self.around.runs, "worker", facts) as claims:
            waiting = OpenTasks(tasks, claims, self.shards)
            again: deque[Task] = deque()  # claimed tasks that lost their node
            calls: dict[Any, _Call] = {}
            idle: list[tuple[Any, Any]] = []
            nothing_left = said_stopping = False
            try:
                with self._with_head():
                    while calls or not (nothing_left or self._stopping):
                        self._count_nodes()
                        while len(calls) < (most or self._room) and not self._stopping:
                            task = again.popleft() if again else waiting.take(self._settled)
                            nothing_left = task is None
                            if task is None:
                                break
                            if not idle:
                                started = self._actor_class.remote(*self._arguments)
                                idle.append((started, started.node.remote()))
                            actor, node = idle.pop()
                            calls[actor.execute.remote(task)] = _Call(actor, node, task, time.monotonic())
                        while idle:  # it would keep the cores that a new actor may wait for
                            ray.kill(idle.pop()[0])
                        self._show(claims, calls)
                        if self._stopping and not said_stopping:
                            said_stopping = True
                            self._say_that_it_stops(len(calls))
                        if self.interrupts() > 1:
                            return
                        if not calls:
                            time.sleep(LOOK_SECONDS)
                            continue
                        for call in ray.wait(list(calls), timeout=LOOK_SECONDS)[0]:
                            ended = calls.pop(call)
                            if self._finish(call, ended, again):
                                idle.append((ended.actor, ended.node))
                            if ended.task not in again:
                                claims.free(ended.task.key)
                            nothing_left &= not again
            finally:
                if not self._head.lost:
                    for actor in [*(actor for actor, _ in idle), *(call.actor for call in calls.values())]:
                        ray.kill(actor)
            waiting.leave()

    def _finish(self, call: Any, ended: _Call, again: deque[Task]) -> bool:
        """Store the result of a call, or why there is none; returns whether its actor can go on."""
        try:
            result = ray.get(call)
        except RayError as error:
            self._next_census = 0.0
            self._head.check()
            self._lose(ended, error, again)
            return False
        self._failed_starts = 0
        finished = store_result(result, self.around)
        self._task_ended(finished)
        if finished.memory:  # frees the memory that is still in use
            ray.kill(ended.actor)
        return not finished.memory

    def _lose(self, ended: _Call, error: RayError, again: deque[Task]) -> None:
        """An actor ended without a result."""
        task, summary = ended.task, short_error(error)
        node = ray.get(ended.node) if ray.wait([ended.node], timeout=0)[0] and not _failed(ended.node) else None
        if node_is_gone(node, error):
            self._losses[task.key] += 1
            if self._losses[task.key] <= NODE_LOSSES:
                self.on_notice(f"A Ray node went away during {task.label}. The run starts again on another node.")
                again.append(task)
                return
            failure: BenchError = WorkerDiedError(f"its node was lost {self._losses[task.key]} times during this run.")
        elif node is None:
            self._failed_starts += 1
            problem = f"A Ray worker could not start: {summary}"
            self.on_notice(problem)
            if self._failed_starts >= _FAILED_STARTS:
                raise BenchError(problem)
            again.append(task)
            return
        elif ran_out_of_memory(error):
            failure = WorkerMemoryError(
                "Ray ended the worker during this run because its node ran out of memory. Let fewer runs share a node "
                "by fewer --jobs."
            )
        else:
            log = "`ray logs` on the cluster shows its output."
            died = f"worker died ({summary}) during this run."
            failure = WorkerDiedError(f"{died} {log}")
            if was_killed(error):
                advice = "The usual reason is a lack of memory; if so, let fewer runs share a node by fewer --jobs."
                failure = WorkerKilledError(f"{died} {advice} {log}")
        self.on_notice(f"A Ray worker ended ({summary}) during {task.label}.")
        self._record_failure(task, failure, time.monotonic() - ended.since)

    def _count_nodes(self) -> None:
        now = time.monotonic()
        if now < self._next_census:
            return
        self._next_census = now + CENSUS_SECONDS
        self._head.check()
        self._room, self._most_on_a_node = capacity(self.cpus_per_run, self.gpus_per_run)
        if not self._room and not self._said_waiting and now - self._begin > CENSUS_SECONDS:
            self._said_waiting = True
            self.on_notice(f"Waiting for a node. {no_capacity(self.cpus_per_run, self.gpus_per_run)} Ctrl-C gives up.")

    def _show(self, claims: Claims, calls: dict[Any, _Call]) -> None:
        labels = [call.task.label for call in calls.values()]
        text = None if not labels else labels[0] if len(labels) == 1 else f"{len(labels)} runs on the cluster"
        if claims.facts["task"] != text:
            claims.update(task=text, since=time.monotonic())

    @contextmanager
    def _with_head(self) -> Iterator[None]:
        """For calls of Ray that need the head; raises BenchError if the head is gone."""
        try:
            yield
        except ConnectionError as error:  # of a client; elsewhere Ray waits
            raise self._head.lose(str(error)) from error


def _failed(reference: Any) -> bool:
    try:
        ray.get(reference)
    except RayError:
        return True
    return False
