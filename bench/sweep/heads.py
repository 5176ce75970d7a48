"""Marks the runs that train a head on stored features, so that runs that use a tower do not wait for them.

A step of a head leaves a GPU mostly idle. Where several workers share a GPU, the first one of each takes the runs
through a tower, and the others take the heads meanwhile; whoever has finished helps with the rest. All of them use the
GPU, so that costs and features are those of one device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from bench.launch.tasks import RunTask, Task


def heads_apart(tasks: Sequence[Task]) -> list[Task]:
    """The tasks in their order, those of heads marked."""
    return [
        replace(task, head=True) if isinstance(task, RunTask) and _is_head(task.spec.method) else task for task in tasks
    ]


@cache
def _is_head(method: str) -> bool:
    from methods import Needs, known_methods

    info = known_methods().get(method).info
    return info.needs <= {Needs.FEATURES, Needs.POOLED} and not info.learns_text
