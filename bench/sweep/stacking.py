"""Groups runs that train together: runs of one method, dataset and number of shots that differ in their seed.

The unit of work stays the run, with its own lease, shard, log and attempts. A task names the other runs of its stack
(`RunTask.alongside`). A worker that begins one of them trains all, and keeps the others until it gets their tasks,
which the queue hands to the same worker. A run that is tried again, that another worker takes over or whose stack fails
trains alone, with the same bits. Runs of different numbers of shots have batches in different places of an epoch, so
they do not train together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from bench.launch.tasks import Limits, RunTask, Task
from bench.spec import ExperimentSpec

STACKED_RUNS = 8
"""Most runs that train together, since all of them are held in memory."""


def stack_tasks(tasks: Sequence[Task], limits: Limits) -> list[Task]:
    """The tasks in their order; each run that may train together with others names them in `alongside`.

    With a limit of time or memory all runs train alone, since the limit is that of a single run.
    """
    if limits != Limits():
        return list(tasks)
    stacks: dict[str, list[list[ExperimentSpec]]] = {}
    place: dict[str, list[ExperimentSpec]] = {}
    for task in tasks:
        if isinstance(task, RunTask) and task.spec.recipe is not None and _stackable(task.spec.method):
            alike = stacks.setdefault(_without_seed(task.spec), [[]])
            if len(alike[-1]) == STACKED_RUNS:
                alike.append([])
            alike[-1].append(task.spec)
            place[task.key] = alike[-1]
    return [
        replace(task, alongside=tuple(spec for spec in place[task.key] if spec.run_id != task.key))
        if isinstance(task, RunTask) and task.key in place
        else task
        for task in tasks
    ]


def _without_seed(spec: ExperimentSpec) -> str:
    """The common part of the runs of a stack. The support set follows from the seed, or from a list."""
    return f"{spec.support_rule} {spec.model_dump_json(exclude={'seed', 'task_fingerprint', 'support'})}"


@cache
def _stackable(method: str) -> bool:
    from methods import known_methods

    return known_methods().get(method).info.stackable
