"""Runs of heads wait for no run through a tower, nor the other way round, where several workers share a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from fake_runner import make_spec

from bench.results.shards import Shards
from bench.sweep.launch.claims import Claims
from bench.sweep.launch.tasks import DifficultyTask, RunTask, Task
from bench.sweep.launch.worker import OpenTasks, gpu_slot
from bench.sweep.launchers import workers_share_gpus
from bench.sweep.machine import Gpu
from bench.sweep.plan import heads_apart
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


@pytest.fixture
def claims(tmp_path: Path) -> Iterator[list[Claims]]:
    """Four workers of one folder."""
    with ExitStack() as stack:
        yield [stack.enter_context(Claims(tmp_path, "worker")) for _ in range(4)]


def test_a_worker_that_prefers_heads_takes_them_while_the_other_runs_towers(
    claims: list[Claims], tmp_path: Path
) -> None:
    workers = {
        heads: OpenTasks(heads_apart(tasks()), claims[heads], Shards(tmp_path), heads=heads) for heads in (False, True)
    }
    taken: dict[bool, list[Task]] = {False: [], True: []}
    for _ in range(4):
        for heads, worker in workers.items():
            task = worker.take(set())
            assert task is not None
            taken[heads].append(task)
    assert heads_of(taken[False]) == set()
    assert len([task for task in taken[True] if isinstance(task, RunTask) and task.head]) == 4


def test_whoever_has_finished_helps_with_the_rest(claims: list[Claims], tmp_path: Path) -> None:
    worker = OpenTasks(heads_apart(tasks()), claims[0], Shards(tmp_path), heads=True)
    alone = [worker.take(set()) for _ in range(len(tasks()))]
    assert None not in alone
    assert all(isinstance(task, RunTask) and task.head for task in alone[:4])
    assert worker.take(set()) is None


def test_each_worker_claims_a_place_on_the_gpu_with_the_fewest(claims: list[Claims]) -> None:
    """Workers of other sweeps in the folder count as well."""
    assert [gpu_slot(["3", "GPU-x"], worker) for worker in claims] == [(0, "3"), (0, "GPU-x"), (1, "3"), (1, "GPU-x")]
    with Claims(claims[0].runs, "worker") as fifth:
        assert gpu_slot(["3", "GPU-x"], fifth) == (2, "3")
    claims[1].free(next(key for key in claims[1]._held))
    with Claims(claims[0].runs, "worker") as sixth:
        assert gpu_slot(["3", "GPU-x"], sixth) == (0, "GPU-x")


def test_only_workers_that_share_a_gpu_are_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    found = (Gpu(0, "GPU 0", 2**40, "0"), Gpu(1, "GPU 1", 2**40, "1"))
    monkeypatch.setattr("bench.sweep.devices.find_gpus", lambda: found)

    def shared(**given: object) -> bool:
        return workers_share_gpus(SweepRequest.model_validate({"methods": ["coop"], "datasets": ["d"], **given}), 99)

    assert not shared(device="all")
    assert shared(device="all", jobs_per_gpu=2)
    assert shared(device="cuda:1", jobs=2)
    assert not shared(device="cpu", jobs=8)
