"""Runs of heads wait for no run through a tower, nor the other way round, where several workers share a GPU."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fake_runner import make_spec

from bench.context import RunContext
from bench.sweep.launch.affinity_queue import AffinityQueue
from bench.sweep.launch.processes import ProcessTransport
from bench.sweep.launch.tasks import DifficultyTask, RunTask, Surroundings, Task, dump_task, parse_task
from bench.sweep.launchers import workers_share_gpus
from bench.sweep.machine import Gpu
from bench.sweep.planning import heads_apart
from bench.sweep.request import SweepRequest

METHODS = ("coop", "linear_probe", "vpt", "clip_adapter")


def tasks(datasets: int = 2) -> list[Task]:
    runs = [RunTask(make_spec(method=name, dataset=f"d{d}")) for d in range(datasets) for name in METHODS]
    return [*runs, DifficultyTask("ViT-demo.drawn", "d0")]


def heads_of(some: list[Task]) -> set[str]:
    return {task.spec.method for task in some if isinstance(task, RunTask) and task.head}


def test_heads_are_the_methods_that_run_no_tower_in_training() -> None:
    marked = heads_apart(tasks())
    assert heads_of(marked) == {"linear_probe", "clip_adapter"}
    assert [replace(task, head=False) if isinstance(task, RunTask) else task for task in marked] == tasks()
    assert all(parse_task(dump_task(task)) == task for task in marked)


def test_a_worker_that_prefers_heads_takes_them_while_the_other_runs_towers() -> None:
    queue = AffinityQueue(heads_apart(tasks()))
    taken: dict[bool, list[Task]] = {False: [], True: []}
    for _ in range(4):
        for heads in (False, True):
            task = queue.take(int(heads), heads)
            assert task is not None
            taken[heads].append(task)
    assert heads_of(taken[False]) == set()
    assert len([task for task in taken[True] if isinstance(task, RunTask) and task.head]) == 4


def test_whoever_has_finished_helps_with_the_rest() -> None:
    queue = AffinityQueue(heads_apart(tasks()))
    alone = [queue.take(1, True) for _ in range(len(tasks()))]
    assert None not in alone
    assert all(isinstance(task, RunTask) and task.head for task in alone[:4])
    assert queue.take(1, True) is None


def test_without_a_preference_the_order_is_that_of_unmarked_tasks() -> None:
    marked, plain = AffinityQueue(tasks()), AffinityQueue(tasks())
    assert [marked.take(0, None) for _ in range(9)] == [plain.take(0) for _ in range(9)]


@pytest.mark.parametrize(("gpus", "jobs", "expected"), [(2, 4, [False, False, True, True]), (2, 2, [None, None])])
def test_the_first_worker_of_each_gpu_runs_towers(
    gpus: int, jobs: int, expected: list[bool | None], tmp_path: Path
) -> None:
    around = Surroundings(runs=tmp_path, context=RunContext(device="cuda"), runner="fake_runner")
    transport = ProcessTransport(around, jobs, gpus=[str(number) for number in range(gpus)])
    for number in range(jobs):
        transport._workers[number] = cast(Any, SimpleNamespace(gpu=transport._least_used_gpu()))
    assert [transport.prefers_heads(number) for number in range(jobs)] == expected
    transport._workers.clear()


def test_only_workers_that_share_a_gpu_are_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    found = (Gpu(0, "GPU 0", 2**40, "0"), Gpu(1, "GPU 1", 2**40, "1"))
    monkeypatch.setattr("bench.sweep.devices.find_gpus", lambda: found)

    def shared(**given: object) -> bool:
        return workers_share_gpus(SweepRequest.model_validate({"methods": ["coop"], "datasets": ["d"], **given}), 99)

    assert not shared(device="all")
    assert shared(device="all", jobs_per_gpu=2)
    assert shared(device="cuda:1", jobs=2)
    assert not shared(device="cpu", jobs=8)
