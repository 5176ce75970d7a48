"""Which task a worker gets next: tasks that share features stay together, and nobody idles; pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from bench.launch.protocol import DifficultyTask, Task

Group = tuple[str, str, int]


class AffinityQueue:
    """Tasks waiting for workers, grouped by (backbone, dataset, seed).

    A worker stays with its group, then moves to another seed of the same dataset, then to a dataset nobody else works
    on, then to any group nobody has begun; when all are begun it takes from the end of the longest one.
    """

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._waiting: dict[Group, deque[Task]] = {}
        ordered = list(tasks)
        first: dict[tuple[str, str], Group] = {}
        for task in ordered:
            if not isinstance(task, DifficultyTask):
                first.setdefault(task.pair, task.group)
        for task in ordered:
            if isinstance(task, DifficultyTask):
                self._waiting.setdefault(first.get(task.pair, task.group), deque()).appendleft(task)
            else:
                self._waiting.setdefault(task.group, deque()).append(task)
        self._at: dict[int, Group] = {}

    def __len__(self) -> int:
        return sum(len(tasks) for tasks in self._waiting.values())

    def take(self, worker: int) -> Task | None:
        """The next task for that worker, or None if nothing waits."""
        group = self._choose(worker)
        if group is None:
            return None
        tasks = self._waiting[group]
        shared = any(other != worker and at == group for other, at in self._at.items())
        task = tasks.pop() if shared and self._at.get(worker) != group else tasks.popleft()
        self._at[worker] = group
        if not tasks:
            del self._waiting[group]
        return task

    def put_back(self, task: Task) -> None:
        """A task whose worker was lost waits again, first in its group."""
        self._waiting.setdefault(task.group, deque()).appendleft(task)

    def remove_worker(self, worker: int) -> None:
        """Forget a worker that died, so that its group counts as free."""
        self._at.pop(worker, None)

    def _choose(self, worker: int) -> Group | None:
        mine = self._at.get(worker)
        if mine in self._waiting:
            return mine
        begun = {at for other, at in self._at.items() if other != worker}
        places = {at[:2] for at in begun}
        free = [group for group in self._waiting if group not in begun]
        for wanted in (
            [group for group in free if mine is not None and group[:2] == mine[:2]],
            [group for group in free if group[:2] not in places],
            free,
        ):
            if wanted:
                return wanted[0]
        return max(self._waiting, key=lambda group: len(self._waiting[group]), default=None)
