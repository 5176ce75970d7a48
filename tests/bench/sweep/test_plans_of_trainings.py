"""Which runs of a sweep share a training, and what becomes of a sweep in which some do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import launching
from fake_runner import failed_record, make_predictions, make_record
from sweep_requests import sweep_over
from tiny_runs import BACKBONE, DATASET, without_times

from bench.context import RunContext
from bench.results import training_of
from bench.results.shards import Shards
from bench.sweep import LogStyle, SweepRequest, expand, make_plan, open_log
from bench.sweep.driver import describe
from bench.sweep.launch.affinity_queue import AffinityQueue
from bench.sweep.launch.inline import InlineTransport
from bench.sweep.launch.tasks import Limits, RunTask, Surroundings, Task, dump_task, parse_task
from bench.sweep.planning import joined_plans, share_trainings, stack_tasks
from datasets_registry import EvalProtocol


def request(
    *overrides: str, shares: str = "1.0,0.5,0.2", methods: tuple[str, ...] = ("zs_lp",), **options: Any
) -> SweepRequest:
    settings = [f"zs_lp.trained_share={shares}", "zs_lp.recipe.epochs=2", "zs_lp.recipe.views=2", *overrides]
    values = {"protocol": EvalProtocol.FEW_SHOT, "shots": (1,), "seeds": (1, 2)}
    return sweep_over(methods, [DATASET], [BACKBONE], overrides=settings, **(values | options))


def tasks_of(**options: Any) -> list[Task]:
    return [RunTask(spec) for spec in expand(request(**options)).specs]


def trainings(tasks: list[Task]) -> list[str | None]:
    return [task.training for task in tasks if isinstance(task, RunTask)]


def test_runs_that_differ_in_settings_after_the_training_name_it() -> None:
    tasks = tasks_of(methods=("zs_lp", "task_res", "zero_shot"))
    planned = share_trainings(tasks, Limits())
    named = {task.key: task.training for task in planned if isinstance(task, RunTask)}
    for task in tasks:
        assert isinstance(task, RunTask)
        assert named[task.key] == (training_of(task.spec) if task.spec.method == "zs_lp" else None)
    assert len(set(named.values()) - {None}) == 2, "one for each seed"
    assert [parse_task(dump_task(task)) for task in planned] == planned


def test_a_single_run_and_runs_with_a_limit_of_memory_train_by_themselves() -> None:
    assert set(trainings(share_trainings(tasks_of(shares="0.5"), Limits()))) == {None}
    assert set(trainings(share_trainings(tasks_of(), Limits(memory_bytes=2**30)))) == {None}
    assert None not in trainings(share_trainings(tasks_of(), Limits(seconds=60.0)))


def test_values_of_a_dataset_are_settings_after_the_training_too() -> None:
    one, other, third = (
        expand(request(f"zs_lp.by_dataset={table}", shares="0.5", seeds=(1,))).specs[0]
        for table in ('{"dtd": {"trained_share": 0.1}}', '{"dtd": {"trained_share": 0.2}}', "{}")
    )
    assert one.run_id != other.run_id
    assert training_of(one) == training_of(other) == training_of(third)


def test_runs_that_share_a_training_are_no_stack() -> None:
    planned = stack_tasks(share_trainings(tasks_of(methods=("cross_modal", "zs_lp", "task_res")), Limits()), Limits())
    stacked = {task.spec.method for task in planned if isinstance(task, RunTask) and task.alongside}
    assert stacked == {"cross_modal", "task_res"}
    assert all(not (task.alongside and task.training) for task in planned if isinstance(task, RunTask))


def test_a_worker_keeps_its_training_and_a_second_worker_begins_another() -> None:
    queue = AffinityQueue(share_trainings(tasks_of(), Limits()))
    first, second = [queue.take(0), queue.take(0)], [queue.take(1), queue.take(1)]
    groups = [trainings([task for task in taken if task is not None]) for taken in (first, second)]
    assert [len(set(group)) for group in groups] == [1, 1]
    assert groups[0][0] != groups[1][0]


def run_inline(tasks: list[Task], folder: Path) -> tuple[Any, Shards]:
    return launching.launch(InlineTransport(Surroundings(runs=folder, context=RunContext())), tasks), Shards(folder)


def contents(shards: Shards, task: Task) -> tuple[object, ...]:
    shard = shards.read(task.key)
    assert shard is not None
    return without_times((shard.record, shard.predictions))


def test_a_sweep_that_shares_trainings_writes_the_records_of_one_without(tmp_path: Path, steps: list[object]) -> None:
    tasks = tasks_of()
    _, before = run_inline(tasks, tmp_path / "plain")
    plain = len(steps)
    summary, after = run_inline(share_trainings(tasks, Limits()), tmp_path / "shared")
    assert len(steps) - plain == plain // 3
    assert not summary.failures
    assert [contents(before, task) for task in tasks] == [contents(after, task) for task in tasks]


def test_a_sweep_that_lost_some_runs_of_a_training_computes_them_alike(tmp_path: Path) -> None:
    tasks = share_trainings(tasks_of(), Limits())
    _, shards = run_inline(tasks, tmp_path)
    expected = [contents(shards, task) for task in tasks]
    lost = tasks[1:3]
    for file in [file for task in lost for file in shards.files(task.key)]:
        file.unlink()
    run_inline(share_trainings([RunTask(task.spec) for task in lost if isinstance(task, RunTask)], Limits()), tmp_path)
    assert [contents(shards, task) for task in tasks] == expected


def test_a_plan_counts_runs_and_trainings_also_of_requests_that_are_carried_out_together(tmp_path: Path) -> None:
    requests = [request(runs=tmp_path), request(shares="0.9,0.5", runs=tmp_path)]
    plans = [make_plan(one, open_log(LogStyle.NONE)) for one in requests]
    assert ["with at least 2 trainings" in describe(plan, requests[0]) for plan in plans] == [True, True]
    both = joined_plans(plans)
    assert (len(both.specs), len(both.pending)) == (8, 8)
    assert "8 to do with at least 2 trainings" in describe(both, requests[0])
    assert "8 to do, " in describe(both, request(runs=tmp_path, memory=1.0)), "each run trains by itself"
    assert len(both.difficulties) == 1


def test_runs_of_several_requests_that_run_again_are_counted_once(tmp_path: Path) -> None:
    requests = [request(shares=shares, seeds=(1,), runs=tmp_path) for shares in ("1.0,0.5", "0.5,0.2")]
    lost, failed, finished = (expand(request(shares=share, seeds=(1,))).specs[0] for share in ("1.0", "0.5", "0.2"))
    shards = Shards(tmp_path)
    shards.write(failed_record(failed, ValueError("no"), RunContext()), [])
    shards.write(make_record(finished), [make_predictions("all")])
    plans = [make_plan(one, open_log(LogStyle.NONE), again=[finished.run_id]) for one in (*requests, requests[1])]
    both = joined_plans(plans)
    assert {spec.run_id for spec in both.pending} == {lost.run_id, failed.run_id, finished.run_id}
    assert (both.retried, both.unkept) == ({failed.run_id}, {finished.run_id})
    assert "3 to do with at least 1 training, 1 of them failed before" in describe(both, requests[0])
