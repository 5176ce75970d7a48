"""The loop of every worker: take the next task that nobody has, compute it, write its shard, until nothing is left.

Workers share the work through claims in the runs folder and have no other coordination, whether they are processes of
one sweep, of two sweeps, or of jobs on several machines.
"""

import ctypes
import faulthandler
import hashlib
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path

from bench._util.memory import keep_freed_memory
from bench.results import Shards
from bench.sweep.launch.task_claims import Claims
from bench.sweep.launch.task_executor import (
    execute,
    existing_result,
    if_gone,
    load_runner,
    store_result,
    write_failure,
)
from bench.sweep.launch.tasks import DifficultyTask, FinishedTask, Group, Outcome, RunTask, Surroundings, Task
from bench.sweep.launch.worker_limits import deadline, limit_memory, set_device_variables
from bench.sweep.launch.worker_logs import output_to

LOGS = "logs"
"""Folder, below the runs folder, for the output of runs and workers."""
CHECKPOINTS = "checkpoints"
"""Folder, below the runs folder, for checkpoints."""
_PR_SET_PDEATHSIG = 1
ORPHANED = 3
"""Exit code of a worker whose parent ended."""


class OpenTasks:
    """The tasks that a worker may still take, by group.

    A worker stays with a group (one backbone, dataset and seed), then claims one of the same dataset, or of the same
    backbone, that nobody works on. If all are claimed, it takes single tasks from the end of the longest.

    Args:
        first: the worker's own place in the plan, at which it looks for its first group.
        heads: whether it prefers tasks on stored features (True) or through a tower (False); None for no preference.
    """

    def __init__(
        self, tasks: Iterable[Task], claims: Claims, shards: Shards, first: int = 0, heads: bool | None = None
    ) -> None:
        self._claims, self._shards, self._first, self._heads = claims, shards, first, heads
        self._mine: Group | None = None
        of_pair: dict[tuple[str, str], Group] = {}
        groups: dict[Group, deque[Task]] = {}
        for task in sorted(tasks, key=lambda task: isinstance(task, DifficultyTask)):
            if isinstance(task, DifficultyTask):
                groups.setdefault(of_pair.get(task.group[:2], task.group), deque()).appendleft(task)
            else:
                of_pair.setdefault(task.group[:2], task.group)
                groups.setdefault(task.group, deque()).append(task)
        pairs, backbones = list(of_pair), [backbone for backbone, _ in of_pair]

        def place(group: Group) -> tuple[int, int]:
            if group[:2] not in of_pair:
                return len(backbones), 0
            return backbones.index(group[0]), pairs.index(group[:2])

        self._groups = {group: groups[group] for group in sorted(groups, key=place)}

    def take(self, settled: set[str]) -> Task | None:
        """Claim the next task that has no result and is not `settled`; None if nothing is left that nobody has."""
        while self._groups:
            group = self._mine if self._mine in self._groups else self._begin()
            if group is not None:
                task = self._groups[group].popleft()
            else:  # help another worker, from the end of its group
                group = max(self._groups, key=self._rank)
                task = self._groups[group].pop()
            if not self._groups[group]:
                del self._groups[group]
            if task.key in settled or existing_result(task, self._shards) is not None:
                continue
            if self._claims.take(task.key):
                if existing_result(task, self._shards) is None:
                    return task
                self._claims.free(task.key)
        self.leave()
        return None

    def leave(self) -> None:
        """Give the group back."""
        if self._mine is not None:
            self._claims.free(_claim_of(self._mine))

    def _begin(self) -> Group | None:
        """Claim a group that nobody works on, the closest to the last one; None if there is none."""
        names = list(self._groups)
        last = self._mine
        if last is None:
            place = self._first % len(names)
            names = names[place:] + names[:place]
            names.sort(key=self._unwanted)
        else:
            self.leave()
            names.sort(key=lambda group: (self._unwanted(group), group[:2] != last[:2], group[0] != last[0]))
        self._mine = next((group for group in names if self._claims.take(_claim_of(group))), None)
        if self._mine is None:
            self._mine, self._first = last, 0
            return None
        return self._mine

    def _unwanted(self, group: Group) -> bool:
        task = self._groups[group][0]
        return self._heads is not None and (isinstance(task, RunTask) and task.head) is not self._heads

    def _rank(self, group: Group) -> tuple[bool, bool, int]:
        same_backbone = self._mine is not None and group[0] == self._mine[0]
        return not self._unwanted(group), same_backbone, len(self._groups[group])


def _claim_of(group: Group) -> str:
    return f"group-{hashlib.blake2b(repr(group).encode(), digest_size=12).hexdigest()}"


def work(
    around: Surroundings,
    tasks: Sequence[Task],
    tell: Callable[[FinishedTask], None],
    stopping: Callable[[], bool],
    *,
    claims: Claims,
    settled: set[str],
    first: int = 0,
    heads: bool | None = None,
    own_process: bool = False,
    begin: Callable[[Task], None] = lambda _task: None,
) -> bool:
    """Compute tasks until nothing is left that nobody has, and return True; False if it ends earlier.

    Args:
        tell: receives each task as it ends; its shard is on disk then.
        stopping: asked before each task.
        settled: keys of tasks that are not taken, also if they have no result; it may grow.
        own_process: this process exists only for these tasks. It ends when a run exceeds its time limit, the output of
            each run goes to a file, and it takes no task after one that ran out of memory.
        begin: receives each task as it begins.
    """
    set_device_variables(around.context)
    runner, shards = load_runner(around.runner), Shards(around.runs)
    context = around.context.model_copy(update={"checkpoints": around.runs / CHECKPOINTS})
    waiting = OpenTasks(tasks, claims, shards, first, heads)
    while not stopping():
        task: Task | None = None
        try:
            if (task := waiting.take(settled)) is None:
                return True
            begin(task)
            run_id = task.spec.run_id if isinstance(task, RunTask) else None
            claims.update(task=task.label, run_id=run_id, attempt=task.attempt, since=time.monotonic())
            with ExitStack() as stack:
                log = around.runs / LOGS / f"{task.key}.log"
                output = stack.enter_context(output_to(log, append=task.attempt > 1)) if own_process else None
                stack.enter_context(deadline(around.timeout, end_process=output))
                result = execute(task, runner, context)
            finished = store_result(result, around)
            if finished.outcome is Outcome.OK or (finished.outcome is Outcome.FAILED and not finished.memory):
                (around.runs / CHECKPOINTS / f"{task.key}.safetensors").unlink(missing_ok=True)
            claims.free(task.key)
        except OSError as error:
            lost = task or tasks[0]
            finished = if_gone(lost, around) or write_failure(lost, around, error)
        claims.update(task=None, run_id=None, attempt=None, since=time.monotonic())
        tell(finished)
        if finished.outcome.ends_sweep or (finished.memory and own_process):  # frees the memory that is still in use
            break
    waiting.leave()
    return False


def process_main(
    around: Surroundings,
    tasks: Sequence[Task],
    first: int,
    gpus: Sequence[str],
    link: Connection,
    log: Path,
    parent: int,
) -> None:
    """A worker process. It ends with its parent, also in a run; shards are not affected."""
    die_with_parent(parent)
    for number in (signal.SIGINT, signal.SIGTERM):  # they may reach the whole process group; the parent handles them
        signal.signal(number, signal.SIG_IGN)
    with log.open("ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    for text in (sys.stdout, sys.stderr):
        text.reconfigure(line_buffering=True, errors="replace")  # type: ignore[union-attr]
    faulthandler.enable()
    keep_freed_memory()
    settled: set[str] = set()
    told_to_stop = threading.Event()
    threading.Thread(target=_listen, args=(link, settled, told_to_stop), daemon=True).start()
    with Claims(around.runs, "worker", {"sweep": around.sweep, "task": None}) as claims:
        heads = None
        if gpus:
            place, os.environ["CUDA_VISIBLE_DEVICES"] = gpu_slot(gpus, claims)
            heads = place > 0 if any(isinstance(task, RunTask) and task.head for task in tasks) else None
        limit_memory(around.memory_bytes)
        link.send(None)
        nothing_left = work(
            around,
            tasks,
            link.send,
            told_to_stop.is_set,
            claims=claims,
            settled=settled,
            first=first,
            heads=heads,
            own_process=True,
            begin=lambda task: link.send((task, time.monotonic())),  # a clock that the processes of a machine share
        )
        link.send(nothing_left)
    for stream_of_text in (sys.stdout, sys.stderr):
        stream_of_text.flush()
    os._exit(0)  # an orderly shutdown of the libraries would take a third of the time of their import


def _listen(link: Connection, settled: set[str], told_to_stop: threading.Event) -> None:
    """Receive the keys of tasks that need not be taken, and an empty text to stop. Without a parent, end."""
    while True:
        try:
            key = link.recv()
        except (EOFError, OSError):
            os._exit(ORPHANED)
        settled.add(key)
        if not key:
            told_to_stop.set()


def gpu_slot(gpus: Sequence[str], claims: Claims) -> tuple[int, str]:
    """Claim a place on a GPU: the first on any before the second on one. Other sweeps of the folder count, too."""
    place = 0
    while True:
        for gpu in gpus:
            host = hashlib.blake2b(f"{claims.process.host} {gpu}".encode(), digest_size=12).hexdigest()
            if claims.take(f"gpu-{host}-{place}"):
                return place, gpu
        place += 1


def die_with_parent(parent: int) -> None:
    """Let Linux kill this process when its parent ends, also if a run never returns to Python."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before the request
            os._exit(ORPHANED)
