"""Chooses the next task for a worker so that tasks with shared features stay together."""

from collections import deque
from collections.abc import Iterable

from bench.sweep.launch.tasks import DifficultyTask, RunTask, Task

Group = tuple[str, str, int | str]


class AffinityQueue:
    """Tasks waiting for workers, grouped by (backbone, dataset, seed).

    A worker stays with its group, then takes another seed of the same dataset, then a dataset that no other worker
    works on, then any group that has not started, here or in another sweep. Groups of the same backbone come first, so
    that it loads each backbone once. If all have started, it takes from the end of the longest group. If tasks of heads
    are separate, a worker may prefer them, or the others.
    """

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._waiting: dict[Group, deque[Task]] = {}
        self._current: dict[int, Group] = {}
        self._continued: set[Group] = set()
        self._elsewhere: set[Group] = set()
        first: dict[tuple[str, str], Group] = {}
        for task in sorted(tasks, key=lambda task: isinstance(task, DifficultyTask)):
            if isinstance(task, DifficultyTask):
                self.put_back(task, first.get(task.pair))
            else:
                first.setdefault(task.pair, task.group)
                self._waiting.setdefault(task.group, deque()).append(task)

    def __len__(self) -> int:
        return sum(len(tasks) for tasks in self._waiting.values())

    def take(self, worker: int, heads: bool | None = None) -> Task | None:
        """The next task for that worker, or None if the queue is empty; see `Transport.prefers_heads` for `heads`."""
        group = self._choose(worker, heads)
        if group is None:
            return None
        tasks = self._waiting[group]
        others = any(other != worker and at == group for other, at in self._current.items())
        elsewhere, mine = group in self._elsewhere, self._current.get(worker) == group
        task = tasks.pop() if elsewhere or (others and not mine) else tasks.popleft()
        if mine:
            self._continued.add(group)
        self._current[worker] = group
        if not tasks:
            del self._waiting[group]
        return task

    def put_back(self, task: Task, group: Group | None = None) -> None:
        """Insert a task at the front of a group, by default its own."""
        self._waiting.setdefault(group or task.group, deque()).appendleft(task)

    def leave_to_others(self, worker: int) -> None:
        """Another sweep holds the task that this worker took last: if it was its first of a group, avoid the group."""
        group = self._current.get(worker)
        if group is not None and group not in self._continued:
            self._elsewhere.add(group)
            del self._current[worker]

    def remove_worker(self, worker: int) -> None:
        """Forget a worker that exited, so that its group counts as not started."""
        self._current.pop(worker, None)

    def _choose(self, worker: int, heads: bool | None) -> Group | None:
        def unwanted(group: Group) -> bool:
            task = self._waiting[group][0]
            return heads is not None and (isinstance(task, RunTask) and task.head) is not heads

        mine = self._current.get(worker)
        if mine in self._waiting and not unwanted(mine):
            return mine
        begun = self._elsewhere | {at for other, at in self._current.items() if other != worker}
        places = {at[:2] for at in begun}
        backbone, place = (None, None) if mine is None else (mine[0], mine[:2])

        def distance(group: Group) -> tuple[bool, bool, bool, bool]:
            return unwanted(group), group[:2] != place, group[0] != backbone, group[:2] in places

        if free := [group for group in self._waiting if group not in begun]:
            return min(free, key=distance)
        return max(
            self._waiting,
            key=lambda group: (not unwanted(group), group[0] == backbone, len(self._waiting[group])),
            default=None,
        )
