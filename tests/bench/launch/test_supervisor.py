"""Several sweeps in one folder, trying again, and waiting: with a launcher that only plays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fake_runner import make_record, make_spec
from left_behind import gone_process, leave_a_lease

from bench.coordination.heartbeat import Heartbeat
from bench.coordination.leases import Leases
from bench.launch.protocol import DifficultyTask, FinishedTask, LaunchSummary, Outcome, RunTask, Task
from bench.launch.supervisor import Supervisor
from bench.launch.task_executor import existing_result
from bench.record import RunError, RunStatus
from bench.results.shards import Shards


@dataclass
class Played:
    """A launcher whose tasks end as told: per key a list of outcomes, the last one for ever."""

    runs: Path
    script: dict[str, list[Outcome]]
    memory: bool = False
    rounds: list[list[Task]] = field(default_factory=list)
    interrupted: bool = False

    def launch(self, tasks: Sequence[Task], *, on_finished: Callable[[FinishedTask], None]) -> LaunchSummary:
        self.rounds.append(list(tasks))
        ended = []
        for task in tasks:
            outcomes = self.script.get(task.key, [Outcome.OK])
            outcome = outcomes.pop(0) if len(outcomes) > 1 else outcomes[0]
            if isinstance(task, RunTask) and outcome in (Outcome.OK, Outcome.FAILED):
                write(self.runs, task, failed=outcome is Outcome.FAILED)
            ended.append(FinishedTask(task, outcome, 1.0, memory=self.memory and outcome is Outcome.FAILED))
            on_finished(ended[-1])
        return LaunchSummary(tuple(ended), self.interrupted)


def write(runs: Path, task: RunTask, *, failed: bool = False) -> None:
    error = RunError(kind="E", message="m", traceback="t")
    changes = {"status": RunStatus.FAILED, "scores": [], "error": error} if failed else {}
    Shards(runs).write(make_record(task.spec, **changes))


def tasks(n: int) -> list[RunTask]:
    return [RunTask(make_spec(seed=seed)) for seed in range(n)]


@pytest.fixture
def sweep(tmp_path: Path):
    """Run a played sweep; gives its summary, and what was told of each attempt."""
    with Heartbeat(tmp_path, "sweep") as heartbeat:

        def sweep(launcher: Played, todo: Sequence[Task], retries: int = 0):
            told: list[tuple[str, Outcome, bool]] = []
            rounds = Supervisor(
                launcher,
                Shards(tmp_path),
                Leases(tmp_path, heartbeat),
                retries=retries,
                on_finished=lambda item, again: told.append((item.task.key, item.outcome, again)),
                on_notice=notices.append,
            )
            return rounds.run(todo), told

        notices: list[str] = []
        sweep.notices = notices
        yield sweep


def test_without_failures_there_is_one_round(sweep, tmp_path: Path):
    launcher = Played(tmp_path, {})
    summary, told = sweep(launcher, tasks(3))
    assert len(summary.finished) == 3
    assert [again for _, _, again in told] == [False] * 3
    assert len(launcher.rounds) == 1


def test_no_tasks_are_no_round(sweep, tmp_path: Path):
    launcher = Played(tmp_path, {})
    assert sweep(launcher, [])[0] == LaunchSummary((), interrupted=False)
    assert launcher.rounds == []


def test_what_failed_is_tried_again_as_often_as_said(sweep, tmp_path: Path):
    todo = tasks(2)
    launcher = Played(tmp_path, {todo[0].key: [Outcome.FAILED]})
    summary, told = sweep(launcher, todo, retries=2)
    assert [len(tasks) for tasks in launcher.rounds] == [2, 1, 1]
    assert [task.attempt for (task,) in launcher.rounds[1:]] == [2, 3]
    assert [again for key, _, again in told if key == todo[0].key] == [True, True, False]
    assert len(summary.failures) == 1
    assert len(summary.finished) == 2, "each task once"


def test_a_second_attempt_that_succeeds_is_no_failure(sweep, tmp_path: Path):
    todo = [*tasks(1), DifficultyTask("b", "d")]
    launcher = Played(tmp_path, {task.key: [Outcome.FAILED, Outcome.OK] for task in todo})
    summary, _ = sweep(launcher, todo, retries=1)
    assert summary.failures == []
    assert [task.attempt for task in launcher.rounds[1]] == [2, 2]


def test_the_shard_of_an_own_failure_is_not_taken_for_the_answer_of_another_sweep(sweep, tmp_path: Path):
    todo = tasks(1)
    launcher = Played(tmp_path, {todo[0].key: [Outcome.FAILED, Outcome.OK]})
    sweep(launcher, todo, retries=1)
    again = launcher.rounds[1][0]
    assert again.known_stamp is not None
    write(tmp_path, todo[0], failed=True)
    assert existing_result(again, Shards(tmp_path)) is not None, "but a later one is"


def test_what_ran_out_of_memory_is_tried_with_smaller_batches_which_does_not_count(sweep, tmp_path: Path):
    todo = tasks(1)
    launcher = Played(tmp_path, {todo[0].key: [Outcome.FAILED]}, memory=True)
    summary, _ = sweep(launcher, todo, retries=1)
    assert [task.eval_batch for (task,) in launcher.rounds] == [None, 32, 8, 8]
    assert len(summary.failures) == 1


def test_an_answer_that_cannot_be_written_ends_the_sweep(sweep, tmp_path: Path):
    todo = tasks(2)
    launcher = Played(tmp_path, {todo[0].key: [Outcome.UNWRITTEN], todo[1].key: [Outcome.FAILED]})
    summary, _ = sweep(launcher, todo, retries=5)
    assert summary.unwritten is not None
    assert len(launcher.rounds) == 1


def test_an_interruption_ends_the_sweep(sweep, tmp_path: Path):
    todo = tasks(1)
    launcher = Played(tmp_path, {todo[0].key: [Outcome.FAILED]}, interrupted=True)
    summary, _ = sweep(launcher, todo, retries=5)
    assert summary.interrupted
    assert len(launcher.rounds) == 1


def test_what_another_sweep_is_at_is_waited_for_and_counts_once(sweep, tmp_path: Path, monkeypatch):
    todo = tasks(2)
    launcher = Played(tmp_path, {todo[0].key: [Outcome.ELSEWHERE]})
    with Heartbeat(tmp_path, "worker") as other:
        leases = Leases(tmp_path, other)
        leases.acquire(todo[0].key)
        looked: list[float] = []

        def look(seconds: float) -> None:
            looked.append(seconds)
            if len(looked) == 3:
                write(tmp_path, todo[0])
                leases.release(todo[0].key)

        monkeypatch.setattr("bench.launch.supervisor.time.sleep", look)
        summary, told = sweep(launcher, todo)
    assert len(looked) == 3
    assert len(launcher.rounds) == 1
    assert [(item.outcome, item.here) for item in summary.finished] == [(Outcome.OK, True), (Outcome.OK, False)]
    assert len(told) == 2
    assert sweep.notices == ["Waiting for 1 runs that other sweeps are at."]


def test_a_failure_of_another_sweep_is_a_failure_and_not_tried_again(sweep, tmp_path: Path):
    todo = tasks(1)
    write(tmp_path, todo[0], failed=True)
    launcher = Played(tmp_path, {todo[0].key: [Outcome.ELSEWHERE]})
    summary, _ = sweep(launcher, todo, retries=3)
    assert [item.message for item in summary.failures] == ["it failed in another sweep"]


@pytest.mark.parametrize("left", ["let go", "died"])
def test_what_another_sweep_gave_up_is_done_here(left: str, sweep, tmp_path: Path):
    todo = tasks(1)
    if left == "died":
        leave_a_lease(tmp_path, todo[0].key, "dead", gone_process())
    launcher = Played(tmp_path, {todo[0].key: [Outcome.ELSEWHERE, Outcome.OK]})
    summary, _ = sweep(launcher, todo)
    assert len(launcher.rounds) == 2
    assert [item.outcome for item in summary.finished] == [Outcome.OK]


def test_a_difficulty_measured_by_another_sweep_is_seen(tmp_path: Path):
    from fake_runner import make_difficulty

    shards = Shards(tmp_path)
    task = DifficultyTask("b", "d")
    assert existing_result(task, shards) is None
    shards.difficulties.write("b", "d", make_difficulty("b", "d"))
    done = existing_result(task, shards)
    assert done is not None
    assert not done.here
    assert existing_result(DifficultyTask("b", "d", known_stamp=shards.difficulties.stamp("b", "d")), shards) is None
