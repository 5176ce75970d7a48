"""What a pool tries again, when it stops, and how it waits for other sweeps, with rounds that follow a script."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from fake_runner import failed_record, make_difficulty, make_record
from launching import run_tasks
from left_behind import dead_process, write_claim

from bench.context import RunContext
from bench.results.shards import Shards
from bench.sweep.launch.pool import Pool, launch
from bench.sweep.launch.task_claims import Claims
from bench.sweep.launch.task_executor import existing_result
from bench.sweep.launch.tasks import (
    DifficultyTask,
    FinishedTask,
    LaunchSummary,
    Outcome,
    RunTask,
    Surroundings,
    Task,
)

HELD = "held by another sweep"


@dataclass
class ScriptedPool(Pool):
    """Each task has a list of outcomes, by key; the last one is repeated."""

    script: Mapping[str, list[Outcome | str]] = field(default_factory=dict)
    failed: Mapping[str, bool] = field(default_factory=dict)
    rounds: list[tuple[list[Task], int]] = field(default_factory=list)
    after_each: Callable[[], None] = lambda: None

    def _round(self, tasks: Sequence[Task], jobs: int) -> None:
        if not tasks or self._stopping:
            return
        self.rounds.append((list(tasks), jobs))
        for task in tasks:
            outcomes = self.script.get(task.key, [Outcome.OK])
            outcome = outcomes.pop(0) if len(outcomes) > 1 else outcomes[0]
            if isinstance(outcome, Outcome) and not self._stopping:
                if isinstance(task, RunTask) and outcome in (Outcome.OK, Outcome.FAILED):
                    write(self.around.runs, task, failed=outcome is Outcome.FAILED)
                why = self.failed if outcome is Outcome.FAILED else {}
                self._task_ended(FinishedTask(task, outcome, 1.0, **why))
                self.after_each()

    @property
    def tasks(self) -> list[list[Task]]:
        """The tasks of each round."""
        return [tasks for tasks, _ in self.rounds]


def write(runs: Path, task: RunTask, *, failed: bool = False) -> None:
    Shards(runs).write(failed_record(task.spec, ValueError("m")) if failed else make_record(task.spec))


Script = Mapping[str, list[Outcome | str]]


@dataclass
class Sweep:
    """A scripted sweep, with what it told: key, outcome and whether it is tried again."""

    runs: Path
    told: list[tuple[str, Outcome, bool]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def __call__(self, todo: Sequence[Task], script: Script | None = None, **fields: Any) -> LaunchSummary:
        around = Surroundings(
            runs=self.runs, context=RunContext(), runner="fake_runner", memory_bytes=fields.pop("memory_bytes", None)
        )

        def run(tasks: Sequence[Task], **calls: Any) -> int:
            self.pool = ScriptedPool(around, **{"jobs": 1, "script": script or {}} | fields, **calls)
            return self.pool.run(tasks)

        def on_finished(item: FinishedTask, again: bool) -> None:
            self.told.append((item.task.key, item.outcome, again))

        with Claims(self.runs, "sweep"):
            return launch(run, todo, on_finished=on_finished, on_notice=self.notices.append)


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    return Sweep(tmp_path)


def test_without_tasks_there_is_no_round(sweep: Sweep):
    assert sweep([]) == LaunchSummary((), interrupted=False)
    assert sweep.pool.rounds == []


def test_what_failed_is_tried_again_as_often_as_said_and_then_counts_once(sweep: Sweep):
    todo = first, second, _, measured = [*run_tasks(3), DifficultyTask("b", "d")]
    script = {first.key: [Outcome.FAILED]} | {item.key: [Outcome.FAILED, Outcome.OK] for item in (second, measured)}
    summary = sweep(todo, script, retries=2)
    assert [[task.attempt for task in tasks] for tasks in sweep.pool.tasks] == [[1] * 4, [2] * 3, [3]]
    assert [again for key, _, again in sweep.told if key == first.key] == [True, True, False]
    assert [item.task.spec for item in summary.failures] == [first.spec]
    assert len(summary.finished) == 4, "each task once"


def test_the_shard_of_an_own_failure_is_not_taken_for_the_answer_of_another_sweep(sweep: Sweep, tmp_path: Path):
    todo = run_tasks(1)
    sweep(todo, {todo[0].key: [Outcome.FAILED, Outcome.OK]}, retries=1)
    again = sweep.pool.tasks[1][0]
    assert again.known_stamp is not None
    write(tmp_path, todo[0], failed=True)
    assert existing_result(again, Shards(tmp_path)) is not None, "but a later one is"


@pytest.mark.parametrize(
    ("failed", "jobs", "retries", "rounds"),
    [
        ({"memory": True}, 1, 1, [(False, None), (False, 8), (False, 8)]),
        ({"memory": True}, 2, 0, [(False, None), (True, 8)]),
        ({"memory": True, "in_training": True}, 2, 0, [(False, None), (True, None)]),
        ({"memory": True, "in_training": True}, 1, 0, [(False, None)]),
        ({"killed": True}, 2, 0, [(False, None), (True, None)]),
        ({"killed": True}, 1, 0, [(False, None), (False, None)]),
    ],
)
def test_a_lack_of_memory_is_tried_alone_and_with_smaller_batches_which_does_not_count(
    failed: dict[str, bool], jobs: int, retries: int, rounds: list[tuple[bool, int | None]], sweep: Sweep
):
    todo = run_tasks(2)
    summary = sweep(todo, {task.key: [Outcome.FAILED] for task in todo}, failed=failed, jobs=jobs, retries=retries)
    for i in range(2):
        assert [(tasks[i].alone, tasks[i].eval_batch) for tasks in sweep.pool.tasks] == rounds
    assert [at_once for _, at_once in sweep.pool.rounds] == [1 if alone else jobs for alone, _ in rounds]
    assert len(summary.failures) == 2


def test_runs_that_are_to_be_alone_have_a_round_with_one_worker(sweep: Sweep):
    todo = run_tasks(3)
    sweep([*todo[:2], replace(todo[2], alone=True)], jobs=3)
    assert [(len(tasks), jobs) for tasks, jobs in sweep.pool.rounds] == [(2, 3), (1, 1)]


def test_an_answer_that_cannot_be_written_ends_the_sweep(sweep: Sweep):
    todo = run_tasks(2)
    summary = sweep(todo, {todo[0].key: [Outcome.UNWRITTEN], todo[1].key: [Outcome.FAILED]}, retries=5)
    assert summary.unwritten is not None
    assert len(sweep.pool.rounds) == 1


def test_ctrl_c_starts_no_further_round(sweep: Sweep):
    todo = run_tasks(2)
    script, press = {todo[0].key: [Outcome.FAILED]}, lambda: signal.raise_signal(signal.SIGINT)
    assert sweep(todo, script, retries=5, after_each=press).interrupted
    assert len(sweep.pool.rounds) == len(sweep.told) == 1


def test_a_memory_limit_that_the_system_cannot_enforce_is_reported(sweep: Sweep, monkeypatch):
    monkeypatch.setattr("bench.sweep.launch.pool.CAN_LIMIT_MEMORY", False)
    sweep(run_tasks(1), memory_bytes=1)
    assert sweep.notices == ["--memory has no effect on this system: only Linux can limit the memory of a process."]


# --- other sweeps -----------------------------------------------------------------------------------------------------


def test_what_another_sweep_is_at_is_waited_for_and_counts_once(sweep: Sweep, tmp_path: Path, monkeypatch):
    """The waiting begins when all that failed here has been tried again."""
    todo, looked = run_tasks(2), []
    with Claims(tmp_path, "worker") as other:
        assert other.take(todo[0].key)

        def look(_seconds: float) -> None:
            looked.append(len(sweep.pool.rounds))
            if len(looked) == 3:
                write(tmp_path, todo[0])
                other.free(todo[0].key)

        monkeypatch.setattr("bench.sweep.launch.pool.time.sleep", look)
        script = {todo[0].key: [HELD], todo[1].key: [Outcome.FAILED, Outcome.OK]}
        summary = sweep(todo, script, retries=1)
    assert looked == [2, 2, 2]
    assert len(sweep.pool.rounds) == 2
    assert [(item.outcome, item.here) for item in summary.finished] == [(Outcome.OK, True), (Outcome.OK, False)]
    assert [notice.partition(" that ")[0] for notice in sweep.notices] == ["Waiting for 1 run"]


def test_a_sweep_that_does_not_wait_says_how_many_runs_others_have(sweep: Sweep, tmp_path: Path):
    todo = run_tasks(3)
    with Claims(tmp_path, "worker") as other:
        for task in todo[:2]:
            assert other.take(task.key)
        summary = sweep(todo, {task.key: [HELD] for task in todo[:2]}, wait=False)
    assert (summary.held, len(summary.finished)) == (2, 1)
    assert sweep.notices == []


def test_a_failure_of_another_sweep_is_a_failure_and_not_tried_again(sweep: Sweep, tmp_path: Path):
    todo = run_tasks(1)
    write(tmp_path, todo[0], failed=True)
    summary = sweep(todo, {todo[0].key: [HELD]}, retries=3)
    assert ["another sweep" in item.message for item in summary.failures] == [True]


@pytest.mark.parametrize("wait", [True, False])
@pytest.mark.parametrize("left", ["let go", "died"])
def test_what_another_sweep_gave_up_is_done_here(left: str, wait: bool, sweep: Sweep, tmp_path: Path):
    todo = run_tasks(1)
    if left == "died":
        write_claim(tmp_path, todo[0].key, "dead", dead_process())
    summary = sweep(todo, {todo[0].key: [HELD, Outcome.OK]}, wait=wait)
    assert len(sweep.pool.rounds) == 2
    assert [item.outcome for item in summary.finished] == [Outcome.OK]


def test_a_difficulty_measured_by_another_sweep_is_seen(tmp_path: Path):
    shards = Shards(tmp_path)
    task = DifficultyTask("b", "d")
    assert existing_result(task, shards) is None
    shards.difficulties.write("b", "d", make_difficulty("b", "d"))
    done = existing_result(task, shards)
    assert not done.here
    assert existing_result(DifficultyTask("b", "d", known_stamp=shards.difficulties.stamp("b", "d")), shards) is None
