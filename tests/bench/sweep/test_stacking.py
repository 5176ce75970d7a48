"""Which runs of a sweep train together, and what becomes of a sweep that trains them so."""

from pathlib import Path
from typing import Any

import launching
import pytest
from bench.experiment.stacked_training import fit_stack
from sweep_requests import sweep_over
from tiny_runs import BACKBONE, DATASET, outcome

from bench.context import RunContext
from bench.experiment import runner
from bench.results.shards import Shards
from bench.sweep import expand
from bench.sweep.launch.affinity_queue import AffinityQueue
from bench.sweep.launch.inline import InlineTransport
from bench.sweep.launch.tasks import Limits, RunTask, Surroundings, Task, dump_task, parse_task
from bench.sweep.planning import STACKED_RUNS, stack_tasks
from datasets_registry import EvalProtocol


def tasks_of(*methods: str, shots: tuple[int, ...] = (1,), seeds: tuple[int, ...] = (1, 2, 3)) -> list[Task]:
    overrides = [f"{name}.recipe.epochs=2" for name in methods if name != "zero_shot"]
    axes = sweep_over(
        list(methods),
        [DATASET],
        [BACKBONE],
        protocol=EvalProtocol.FEW_SHOT,
        shots=shots,
        seeds=seeds,
        overrides=overrides,
    )
    return [RunTask(spec) for spec in expand(axes).specs]


def stacks(tasks: list[Task]) -> dict[str, set[tuple[int, int]]]:
    """Shots and seeds of the whole stack by run id; empty for a run that trains alone."""
    return {
        task.key: {(spec.shots, spec.seed) for spec in (*task.alongside, task.spec)} if task.alongside else set()
        for task in tasks
        if isinstance(task, RunTask)
    }


def test_runs_that_differ_in_their_seed_train_together() -> None:
    planned = stack_tasks(tasks_of("task_res", "coop", "zero_shot", shots=(1, 2)), Limits())
    found = stacks(planned)
    for task in planned:
        assert isinstance(task, RunTask)
        expected = {(task.spec.shots, seed) for seed in (1, 2, 3)} if task.spec.method == "task_res" else set()
        assert found[task.key] == expected
    assert [parse_task(dump_task(task)) for task in planned] == planned


def test_other_settings_are_another_stack() -> None:
    (first, second, _), (third, *_) = tasks_of("task_res"), tasks_of("task_res", shots=(2,))
    assert isinstance(second, RunTask)
    changed = RunTask(second.spec.model_copy(update={"recipe": {**(second.spec.recipe or {}), "lr": 0.5}}))
    assert all(not stack for stack in stacks(stack_tasks([first, changed, third], Limits())).values())


@pytest.mark.parametrize("limits", [Limits(seconds=60.0), Limits(memory_bytes=2**30)])
def test_runs_with_limits_train_alone(limits: Limits) -> None:
    assert stack_tasks(tasks_of("task_res"), limits) == tasks_of("task_res")


def test_a_stack_has_a_largest_size() -> None:
    planned = stack_tasks(tasks_of("task_res", seeds=tuple(range(1, STACKED_RUNS + 3))), Limits())
    assert sorted({len(stack) for stack in stacks(planned).values()}) == [2, STACKED_RUNS]


def test_a_worker_keeps_its_stack_and_a_run_taken_from_it_trains_alone() -> None:
    queue = AffinityQueue(stack_tasks(tasks_of("task_res", "coop", seeds=(1, 2, 3)), Limits()))
    mine = [queue.take(0) for _ in range(3)]
    names = [(task.spec.method, task.spec.seed) for task in mine if isinstance(task, RunTask)]
    assert sorted(names) in ([("task_res", seed) for seed in (1, 2, 3)], [("coop", 1), ("coop", 2), ("coop", 3)])
    queue = AffinityQueue(stack_tasks(tasks_of("task_res"), Limits()))
    first, stolen = queue.take(0), queue.take(1)
    assert isinstance(first, RunTask)
    assert isinstance(stolen, RunTask)
    assert len(first.alongside) == 2
    assert stolen.alongside == ()
    assert stolen.spec.seed == 3


def run_inline(tasks: list[Task], folder: Path) -> tuple[Any, Shards]:
    surroundings = Surroundings(runs=folder, context=RunContext())
    return launching.launch(InlineTransport(surroundings), tasks), Shards(folder)


def test_a_sweep_with_stacks_writes_the_records_of_one_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[int] = []

    def counted(runs: Any, *args: Any, **settings: Any) -> Any:
        trained.append(len(runs))
        return fit_stack(runs, *args, **settings)

    monkeypatch.setattr(runner, "fit_stack", counted)
    tasks = tasks_of("task_res", "clip_adapter")
    plain, before = run_inline(tasks, tmp_path / "plain")
    assert trained == []
    stacked, after = run_inline(stack_tasks(tasks, Limits()), tmp_path / "stacked")
    assert trained == [3, 3]
    assert not plain.failures
    assert not stacked.failures
    assert {item.task.key for item in stacked.finished} == {task.key for task in tasks}
    for task in tasks:
        one, other = (shards.read(task.key) for shards in (before, after))
        assert one is not None
        assert other is not None
        assert outcome((one.record, list(one.predictions))) == outcome((other.record, list(other.predictions)))
        assert one.record.model_dump(exclude={"cost", "created_at"}) == other.record.model_dump(
            exclude={"cost", "created_at"}
        )


def test_a_seed_that_fails_does_not_lose_the_others(tmp_path: Path) -> None:
    tasks = tasks_of("task_res")
    second = tasks[1]
    assert isinstance(second, RunTask)
    broken = RunTask(second.spec.model_copy(update={"task_fingerprint": "0" * 32}))
    summary, shards = run_inline(stack_tasks([tasks[0], broken, tasks[2]], Limits()), tmp_path)
    assert [item.task.key for item in summary.failures] == [broken.key]
    assert all(shards.read(tasks[i].key) is not None for i in (0, 2))
