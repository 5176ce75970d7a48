"""Runs tasks on a Ray cluster. Ray returns the results, so driver and nodes need no shared folder.

The driver takes the leases and writes the shards. A run whose node is lost starts again on another node. A run that is
killed on a healthy node or runs out of memory is repeated by a new worker, as on one machine.
"""

import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import ray
from ray.exceptions import RayError

from bench.errors import LaunchError, WorkerDiedError, WorkerKilledError, WorkerMemoryError
from bench.sweep.launch.ray_cluster import (
    AUTO,
    ClusterHead,
    HeadLostError,
    RunResources,
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
from bench.sweep.launch.task_executor import TaskExecutor, store_result
from bench.sweep.launch.tasks import Surroundings, Task, dump_task
from bench.sweep.launch.transport import Done, Event, Exited, Notice, Ready, Transport
from datasets_registry import BenchError

CENSUS_SECONDS = 5.0
"""Seconds between two counts of the cluster's nodes."""


@dataclass
class _Worker:
    """An actor and its pending call. The executor holds its lease and is entered when the actor reports its node."""

    actor: Any
    call: Any
    executor: TaskExecutor
    node: str | None = None
    task: Task | None = None


class RayTransport(Transport):
    """Actors, spread over the nodes of a cluster.

    Args:
        surroundings: runs folder of this machine; context and runner of every worker. The folders of data and cache are
            paths on the nodes, where `~` is the home folder. Weights and named files are sent.
        address: see `connected`.
        jobs: number of workers, even if the cluster must grow for them; None for as many as fit.
    """

    start_attempts = 3

    def __init__(
        self,
        surroundings: Surroundings,
        address: str = AUTO,
        resources: RunResources | None = None,
        jobs: int | None = None,
    ) -> None:
        self.surroundings = surroundings
        self.address = address
        self.resources = resources or RunResources()
        self.jobs = jobs
        self._numbers = itertools.count(1)
        self._workers: dict[int, _Worker] = {}
        self._events: list[Event] = []
        self._begin = time.monotonic()
        self._next_census = 0.0
        self._room = self._most_on_a_node = 0
        self._reported_waiting = False
        self._head_lost = False

    def __enter__(self) -> Self:
        """Connect; raises LaunchError if the cluster cannot be reached or has no node for a single run."""
        with ExitStack() as stack:
            stack.enter_context(redirect_stdout(sys.stderr))  # Ray prints remarks; standard output is for results
            stack.enter_context(connected(self.address))
            if self.jobs is None and not capacity(self.resources)[0]:
                raise LaunchError(no_capacity(self.resources))
            self._head = ClusterHead(self.address)
            self._actor, self._arguments = self._prepare_actor()
            self._connection = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        for number in list(self._workers):
            self.remove(number)
        self._connection.close()

    def _prepare_actor(self) -> tuple[Any, tuple[Any, ...]]:
        """The actor class with the resources of one actor, and the arguments of each."""
        context = self.surroundings.context
        without_files = context.model_copy(update={"files": {}, "weights": {}})
        cpus, gpus = self.resources.cpus, self.resources.gpus
        arguments = (
            str(Path.cwd()),
            self.surroundings.model_copy(update={"context": without_files}).model_dump_json(),
            send_files(context.files),
            send_files(context.weights),
        )
        return ray.remote(num_cpus=cpus, num_gpus=gpus, scheduling_strategy="SPREAD")(RayWorker), arguments

    def capacity(self) -> int:
        now = time.monotonic()
        if now >= self._next_census:
            self._next_census = now + CENSUS_SECONDS
            with self._with_head():
                self._head.check()
                self._room, self._most_on_a_node = capacity(self.resources)
            if not self._room and not self._reported_waiting and now - self._begin > CENSUS_SECONDS:
                self._reported_waiting = True
                self._events.append(Notice(f"Waiting for a node. {no_capacity(self.resources)} Ctrl-C gives up."))
        return self._room if self.jobs is None else self.jobs

    @property
    def shares_memory(self) -> bool:  # type: ignore[override]
        return self._most_on_a_node > 1 and self.jobs != 1

    def start(self) -> int:
        number = next(self._numbers)
        with self._with_head():
            actor = self._actor.remote(*self._arguments)
            call = actor.ready.remote()
        executor = TaskExecutor(self.surroundings, own_process=False)
        self._workers[number] = _Worker(actor, call, executor)
        return number

    def submit(self, worker: int, task: Task) -> None:
        target = self._workers[worker]
        if (other := target.executor.claim(task)) is not None:
            self._events.append(Done(worker, other))
        else:
            target.task = task
            with self._with_head():
                target.call = target.actor.execute.remote(dump_task(task))

    def poll(self, seconds: float) -> list[Event]:
        with self._with_head():
            return self._poll(seconds)

    def _poll(self, seconds: float) -> list[Event]:
        events, self._events = self._events, []
        calls = {worker.call: number for number, worker in self._workers.items() if worker.call is not None}
        if calls:
            finished, _ = ray.wait(list(calls), timeout=0 if events else seconds)
            events += [self._event(calls[call]) for call in finished]
        return events

    def _event(self, number: int) -> Event:
        worker = self._workers[number]
        call, worker.call = worker.call, None
        try:
            value = ray.get(call)
        except RayError as error:
            self._next_census = 0.0
            self._head.check()
            return self._exited(number, worker, error)
        if isinstance(value, str):
            worker.node = value
            worker.executor.__enter__()
            return Ready(number)
        done = store_result(value, self.surroundings)
        self._release(worker)
        if done.memory:
            self._events.append(Exited(number))  # frees the memory that is still in use
        return Done(number, done, last=done.memory)

    def _exited(self, number: int, worker: _Worker, error: RayError) -> Exited:
        summary = short_error(error)
        if worker.node is None:
            return Exited(number, f"A Ray worker could not start: {summary}", started=False)
        if node_is_gone(worker.node, error):
            return Exited(number, "A Ray node went away", node_lost=True)
        log = "`ray logs` on the cluster shows its output."
        if ran_out_of_memory(error):
            failure: BenchError = WorkerMemoryError(
                "Ray ended the worker during this run because its node ran out of memory. Let fewer runs share a node "
                "by fewer --jobs."
            )
        elif was_killed(error):
            failure = WorkerKilledError(
                f"worker died ({summary}) during this run. The usual reason is a lack of memory; if so, let fewer runs "
                f"share a node by fewer --jobs. {log}"
            )
        else:
            failure = WorkerDiedError(f"worker died ({summary}) during this run. {log}")
        return Exited(number, f"A Ray worker ended ({summary})", error=failure, log=log)

    def dismiss(self, worker: int) -> None:
        self._workers[worker].call = None
        self._events.append(Exited(worker))

    def kill(self, workers: Sequence[int]) -> None:
        for number in workers:
            ray.kill(self._workers[number].actor)

    def remove(self, worker: int) -> None:
        gone = self._workers.pop(worker)
        self._release(gone)
        if gone.node is not None:
            gone.executor.__exit__(None, None, None)
        if not self._head_lost:
            ray.kill(gone.actor)

    @contextmanager
    def _with_head(self) -> Iterator[None]:
        """For calls of Ray that need the head; raises HeadLostError if the head is gone."""
        try:
            yield
        except ConnectionError as error:  # of a client; elsewhere Ray waits
            self._head_lost = True
            raise HeadLostError(self._head.address, str(error)) from error
        except HeadLostError:
            self._head_lost = True
            raise

    def _release(self, worker: _Worker) -> None:
        if worker.task is not None:
            worker.executor.release(worker.task)
            worker.task = None
