"""The order in which workers take tasks: by features and backbones, and heads apart from towers on a shared GPU."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from fake_runner import make_spec

from bench.results.shards import Shards
from bench.sweep.launch.task_claims import Claims
from bench.sweep.launch.tasks import DifficultyTask, RunTask, Task
from bench.sweep.launch.worker import OpenTasks, gpu_slot
from bench.sweep.launchers import workers_share_gpus
from bench.sweep.machine import Gpu
from bench.sweep.plan import heads_apart
from bench.sweep.request import SweepRequest

BACKBONE = "ViT-demo.drawn"


def grid(datasets: int, seeds: int, methods: int = 2) -> list[Task]:
    places = itertools.product(range(methods), range(seeds), range(datasets))
    return [RunTask(make_spec(dataset=f"d{d}", seed=s, method=f"m{m}")) for m, s, d in places]


@pytest.fixture
def worker(tmp_path: Path):
    """Make a worker of one sweep in this folder: a function that gives its next task, or None."""
    with ExitStack() as holders:

        def worker(todo: list[Task], first: int = 0, heads: bool | None = None) -> Callable[[], Task | None]:
            claims = holders.enter_context(Claims(tmp_path, "worker"))
            waiting = OpenTasks(todo, claims, Shards(tmp_path), first, heads)
            return lambda: waiting.take(set())

        yield worker


def test_a_worker_stays_with_its_features(worker):
    take = worker(grid(2, 2))
    groups = [take().group for _ in range(8)]
    assert [group[1:] for group in groups] == [("d0", 0)] * 2 + [("d0", 1)] * 2 + [("d1", 0)] * 2 + [("d1", 1)] * 2
    assert take() is None


def test_each_worker_begins_at_its_own_place_of_the_plan(worker):
    first, second = (worker(grid(2, 2), place)() for place in (0, 2))
    assert first.group[:2] != second.group[:2]


def test_a_group_that_another_worker_has_begun_comes_last_and_from_its_end(worker):
    todo = grid(2, 2)
    other, take = worker(todo), worker(todo)
    begun = other()
    assert begun.group not in [take().group for _ in range(6)]
    help_task = take()
    assert help_task.group == begun.group
    assert help_task.key != begun.key
    assert take() is None


def test_no_worker_idles_while_a_group_has_tasks(worker):
    todo = grid(1, 1, methods=5)
    takes = [worker(todo) for _ in range(3)]
    taken = [takes[i]() for i in (0, 1, 2, 0, 1)]
    assert len({task.key for task in taken}) == 5


def test_a_difficulty_comes_first_in_its_place(worker):
    todo = [*grid(2, 1), DifficultyTask(BACKBONE, "d1"), DifficultyTask(BACKBONE, "d9")]
    take = worker(todo)
    order = [take().label for _ in range(6)]
    assert order.index(f"difficulty of d1 for {BACKBONE}") == 2
    assert order[-1] == f"difficulty of d9 for {BACKBONE}"


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_a_worker_finishes_a_backbone_before_it_begins_the_next(workers: int, worker):
    """So that it loads each backbone once, in whatever order the tasks were planned."""
    backbones = ("b0", "b1", "b2", "b3")
    places = itertools.product(range(3), range(2), backbones)
    todo = [RunTask(make_spec(dataset=f"d{d}", backbone=backbone, seed=seed)) for d, seed, backbone in places]
    takes = [worker(todo, 24 // 4 * place) for place in range(workers)]
    seen: list[list[str]] = [[] for _ in range(workers)]
    turn = 0
    while (task := takes[turn % workers]()) is not None:
        seen[turn % workers].append(task.group[0])
        turn += 1
    assert turn == len(todo)
    for taken in seen:
        assert len([one for one, _ in itertools.groupby(taken)]) == len(set(taken))


# --- heads and towers on one GPU --------------------------------------------------------------------------------------

METHODS = ("coop", "linear_probe", "vpt", "clip_adapter")


def mixed() -> list[Task]:
    runs = [RunTask(make_spec(method=name, dataset=f"d{d}")) for d in range(2) for name in METHODS]
    return [*runs, DifficultyTask("ViT-demo.drawn", "d0")]


def heads_of(some: list[Task]) -> set[str]:
    return {task.spec.method for task in some if isinstance(task, RunTask) and task.head}


def test_heads_are_the_methods_that_run_no_tower_in_training() -> None:
    marked = heads_apart(mixed())
    assert heads_of(marked) == {"linear_probe", "clip_adapter"}
    assert [replace(task, head=False) if isinstance(task, RunTask) else task for task in marked] == mixed()


def test_a_worker_that_prefers_heads_takes_them_while_the_other_runs_towers(worker) -> None:
    workers = {heads: worker(heads_apart(mixed()), heads=heads) for heads in (False, True)}
    taken: dict[bool, list[Task]] = {False: [], True: []}
    for _ in range(4):
        for heads, take in workers.items():
            taken[heads].append(take())
    assert heads_of(taken[False]) == set()
    assert len([task for task in taken[True] if isinstance(task, RunTask) and task.head]) == 4


def test_whoever_has_finished_helps_with_the_rest(worker) -> None:
    take = worker(heads_apart(mixed()), heads=True)
    alone = [take() for _ in mixed()]
    assert all(isinstance(task, RunTask) and task.head for task in alone[:4])
    assert None not in alone
    assert take() is None


def test_each_worker_claims_a_place_on_the_gpu_with_the_fewest(tmp_path: Path) -> None:
    """Workers of other sweeps in the folder count as well."""
    with ExitStack() as stack:
        workers = [stack.enter_context(Claims(tmp_path, "worker")) for _ in range(6)]
        slots = [gpu_slot(["3", "GPU-x"], worker) for worker in workers[:5]]
        assert slots == [(0, "3"), (0, "GPU-x"), (1, "3"), (1, "GPU-x"), (2, "3")]
        workers[1].free(next(key for key in workers[1]._held))
        assert gpu_slot(["3", "GPU-x"], workers[5]) == (0, "GPU-x")


def test_only_workers_that_share_a_gpu_are_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    found = (Gpu(0, "GPU 0", 2**40, "0"), Gpu(1, "GPU 1", 2**40, "1"))
    monkeypatch.setattr("bench.sweep.device_choice.find_gpus", lambda: found)

    def shared(**given: object) -> bool:
        return workers_share_gpus(SweepRequest.model_validate({"methods": ["coop"], "datasets": ["d"], **given}), 99)

    assert not shared(device="all")
    assert shared(device="all", jobs_per_gpu=2)
    assert shared(device="cuda:1", jobs=2)
    assert not shared(device="cpu", jobs=8)
