"""Retries, worker exits, Ctrl-C and other sweeps, on a transport that follows a script."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from fake_runner import make_record, make_spec
from left_behind import dead_process, write_lease

from bench.context import RunContext
from bench.errors import LaunchError
from bench.record import RunError, RunStatus
from bench.results.shards import Shards
from bench.sweep.coordination.heartbeat import Heartbeat
from bench.sweep.coordination.leases import Leases
from bench.sweep.launch.supervisor import Supervisor
from bench.sweep.launch.task_executor import existing_result
from bench.sweep.launch.tasks import (
    DifficultyTask,
    FinishedTask,
    LaunchSummary,
    Limits,
    Outcome,
    RunTask,
    Surroundings,
    Task,
)
from bench.sweep.launch.transport import Done, Event, Exited, Ready, Transport


class ScriptedTransport(Transport):
    """One worker. Each task has a list of outcomes or exits, by key; the last one is repeated."""

    def __init__(
        self,
        runs: Path,
        script: Mapping[str, Sequence[Outcome | Exited]] | None = None,
        *,
        memory: bool = False,
        killed: bool = False,
        in_training: bool = False,
        interrupt: bool = False,
        limit: float | None = None,
    ) -> None:
        self.surroundings = Surroundings(
            runs=runs, context=RunContext(), runner="fake_runner", limits=Limits(seconds=limit)
        )
        self.script = {key: list(outcomes) for key, outcomes in (script or {}).items()}
        self.memory, self.dies, self.in_training = memory, killed, in_training
        self.shares_memory = in_training
        self.interrupt = interrupt
        self.rounds: list[list[Task]] = []
        self.killed: list[int] = []
        self.started = 0
        self._events: list[Event] = []

    def begin_round(self, tasks: Sequence[Task]) -> None:
        self.rounds.append(list(tasks))

    def capacity(self) -> int:
        return 1

    def start(self) -> int:
        self.started += 1
        outcomes = self.script.get("start", [])
        self._events.append(outcomes.pop(0) if outcomes else Ready(self.started))
        return self.started

    def submit(self, worker: int, task: Task) -> None:
        outcomes = self.script.get(task.key, [Outcome.OK])
        outcome = outcomes.pop(0) if len(outcomes) > 1 else outcomes[0]
        if isinstance(outcome, Exited):
            if outcome.reason != "never":
                self._events.append(replace(outcome, worker=worker))
            return
        if isinstance(task, RunTask) and outcome in (Outcome.OK, Outcome.FAILED):
            write(self.surroundings.runs, task, failed=outcome is Outcome.FAILED)
        memory = self.memory and outcome is Outcome.FAILED
        killed = self.dies and outcome is Outcome.FAILED
        done = FinishedTask(task, outcome, 1.0, memory=memory, killed=killed, in_training=memory and self.in_training)
        self._events.append(Done(worker, done))

    def poll(self, seconds: float) -> list[Event]:
        if self.interrupt and any(isinstance(event, Done) for event in self._events):
            signal.raise_signal(signal.SIGINT)
        events, self._events = self._events, []
        return events

    def dismiss(self, worker: int) -> None:
        self._events.append(Exited(worker))

    def kill(self, workers: Sequence[int]) -> None:
        self.killed += workers
        self._events += [Exited(number, "A worker was killed", log="Its output: x") for number in workers]


class SupervisorOfRounds(Supervisor):
    """Tells a scripted transport when a round begins."""

    transport: ScriptedTransport

    def _run_round(self, todo: Sequence[Task]) -> None:
        self.transport.begin_round(todo)
        super()._run_round(todo)


def write(runs: Path, task: RunTask, *, failed: bool = False) -> None:
    error = RunError(kind="E", message="m", traceback="t")
    changes = {"status": RunStatus.FAILED, "scores": [], "error": error} if failed else {}
    Shards(runs).write(make_record(task.spec, **changes))


def tasks(n: int) -> list[RunTask]:
    return [RunTask(make_spec(seed=seed)) for seed in range(n)]


@pytest.fixture
def sweep(tmp_path: Path):
    """Run a scripted sweep; returns its summary, and what was reported of each attempt."""
    with Heartbeat(tmp_path, "sweep") as heartbeat:

        def sweep(
            transport: ScriptedTransport, todo: Sequence[Task], retries: int = 0, *, interrupt_after_each: bool = False
        ):
            told: list[tuple[str, Outcome, bool]] = []

            def on_finished(item: FinishedTask, again: bool) -> None:
                told.append((item.task.key, item.outcome, again))
                if interrupt_after_each:
                    signal.raise_signal(signal.SIGINT)

            supervisor = SupervisorOfRounds(
                transport,
                Leases(tmp_path, heartbeat),
                retries=retries,
                on_finished=on_finished,
                on_notice=notices.append,
            )
            return supervisor.run(todo), told

        notices: list[str] = []
        sweep.notices = notices
        yield sweep


def test_without_failures_there_is_one_round(sweep, tmp_path: Path):
    transport = ScriptedTransport(tmp_path, {})
    summary, told = sweep(transport, tasks(3))
    assert len(summary.finished) == 3
    assert [again for _, _, again in told] == [False] * 3
    assert len(transport.rounds) == 1


def test_no_tasks_are_no_round(sweep, tmp_path: Path):
    transport = ScriptedTransport(tmp_path, {})
    assert sweep(transport, [])[0] == LaunchSummary((), interrupted=False)
    assert transport.rounds == []


def test_what_failed_is_tried_again_as_often_as_said(sweep, tmp_path: Path):
    todo = tasks(2)
    transport = ScriptedTransport(tmp_path, {todo[0].key: [Outcome.FAILED]})
    summary, told = sweep(transport, todo, retries=2)
    assert [len(tasks) for tasks in transport.rounds] == [2, 1, 1]
    assert [task.attempt for (task,) in transport.rounds[1:]] == [2, 3]
    assert [again for key, _, again in told if key == todo[0].key] == [True, True, False]
    assert len(summary.failures) == 1
    assert len(summary.finished) == 2, "each task once"


def test_a_second_attempt_that_succeeds_is_no_failure(sweep, tmp_path: Path):
    todo = [*tasks(1), DifficultyTask("b", "d")]
    transport = ScriptedTransport(tmp_path, {task.key: [Outcome.FAILED, Outcome.OK] for task in todo})
    summary, _ = sweep(transport, todo, retries=1)
    assert summary.failures == []
    assert [task.attempt for task in transport.rounds[1]] == [2, 2]


def test_the_shard_of_an_own_failure_is_not_taken_for_the_answer_of_another_sweep(sweep, tmp_path: Path):
    todo = tasks(1)
    transport = ScriptedTransport(tmp_path, {todo[0].key: [Outcome.FAILED, Outcome.OK]})
    sweep(transport, todo, retries=1)
    again = transport.rounds[1][0]
    assert again.known_stamp is not None
    write(tmp_path, todo[0], failed=True)
    assert existing_result(again, Shards(tmp_path)) is not None, "but a later one is"


def test_what_ran_out_of_memory_is_tried_with_smaller_batches_which_does_not_count(sweep, tmp_path: Path):
    todo = tasks(1)
    transport = ScriptedTransport(tmp_path, {todo[0].key: [Outcome.FAILED]}, memory=True)
    summary, _ = sweep(transport, todo, retries=1)
    assert [task.eval_batch for (task,) in transport.rounds] == [None, 8, 8]
    assert len(summary.failures) == 1


def test_what_was_killed_is_tried_once_more_alone_with_the_same_batches(sweep, tmp_path: Path):
    todo = tasks(2)
    transport = ScriptedTransport(tmp_path, {task.key: [Outcome.FAILED] for task in todo}, killed=True)
    transport.shares_memory = True
    summary, _ = sweep(transport, todo)
    assert [[(task.alone, task.eval_batch) for task in tasks] for tasks in transport.rounds] == [
        [(False, None)] * 2,
        [(True, None)] * 2,
    ]
    assert len(summary.failures) == 2


def test_what_ran_out_of_memory_in_company_is_tried_alone_and_with_smaller_batches(sweep, tmp_path: Path):
    todo = tasks(2)
    transport = ScriptedTransport(tmp_path, {task.key: [Outcome.FAILED] for task in todo}, memory=True)
    transport.shares_memory = True
    summary, _ = sweep(transport, todo)
    assert [[(task.alone, task.eval_batch) for task in tasks] for tasks in transport.rounds] == [
        [(False, None)] * 2,
        [(True, 8)] * 2,
    ]
    assert len(summary.failures) == 2


def test_a_run_that_gets_through_its_training_alone_may_need_smaller_batches_too(sweep, tmp_path: Path):
    (task,) = tasks(1)

    class ThenInEvaluation(ScriptedTransport):
        def begin_round(self, tasks: Sequence[Task]) -> None:
            self.in_training = not self.rounds
            super().begin_round(tasks)

    transport = ThenInEvaluation(tmp_path, {task.key: [Outcome.FAILED]}, memory=True, in_training=True)
    sweep(transport, [task], retries=1)
    assert [(again.alone, again.eval_batch) for (again,) in transport.rounds] == [
        (False, None),
        (True, None),
        (True, 8),
        (True, 8),
    ]


def test_a_training_that_ran_out_of_memory_is_tried_once_more_and_alone(sweep, tmp_path: Path):
    todo = tasks(2)
    script = {task.key: [Outcome.FAILED] for task in todo}
    transport = ScriptedTransport(tmp_path, script, memory=True, in_training=True)
    summary, _ = sweep(transport, todo)
    assert [[task.alone for task in tasks] for tasks in transport.rounds] == [[False, False], [True, True]]
    assert {task.eval_batch for tasks in transport.rounds for task in tasks} == {None}
    assert len(summary.failures) == 2
    transport = ScriptedTransport(tmp_path, script, memory=True, in_training=True)
    transport.shares_memory = False  # it was alone already
    sweep(transport, todo)
    assert len(transport.rounds) == 1


def test_runs_that_are_to_be_alone_have_one_worker(sweep, tmp_path: Path):
    class Wide(ScriptedTransport):
        def capacity(self) -> int:
            return 3

    todo = tasks(3)
    transport = Wide(tmp_path)
    sweep(transport, [*todo[:2], replace(todo[2], alone=True)])
    assert [len(tasks) for tasks in transport.rounds] == [2, 1]
    alone = [replace(task, alone=True) for task in tasks(6)[3:]]
    transport = Wide(tmp_path)
    sweep(transport, alone)
    assert transport.started == 1


def test_an_answer_that_cannot_be_written_ends_the_sweep(sweep, tmp_path: Path):
    todo = tasks(2)
    transport = ScriptedTransport(tmp_path, {todo[0].key: [Outcome.UNWRITTEN], todo[1].key: [Outcome.FAILED]})
    summary, _ = sweep(transport, todo, retries=5)
    assert summary.unwritten is not None
    assert len(transport.rounds) == 1


def test_an_interruption_ends_the_sweep(sweep, tmp_path: Path):
    todo = tasks(1)
    transport = ScriptedTransport(tmp_path, {todo[0].key: [Outcome.FAILED]}, interrupt=True)
    summary, _ = sweep(transport, todo, retries=5)
    assert summary.interrupted
    assert len(transport.rounds) == 1


def test_what_another_sweep_is_at_is_waited_for_and_counts_once(sweep, tmp_path: Path, monkeypatch):
    todo = tasks(2)
    transport = ScriptedTransport(tmp_path, {todo[0].key: [Outcome.HELD_BY_OTHER]})
    with Heartbeat(tmp_path, "worker") as other:
        leases = Leases(tmp_path, other)
        leases.acquire(todo[0].key)
        looked: list[float] = []

        def look(seconds: float) -> None:
            looked.append(seconds)
            if len(looked) == 3:
                write(tmp_path, todo[0])
                leases.release(todo[0].key)

        monkeypatch.setattr("bench.sweep.launch.supervisor.time.sleep", look)
        summary, told = sweep(transport, todo)
    assert len(looked) == 3
    assert len(transport.rounds) == 1
    assert [(item.outcome, item.here) for item in summary.finished] == [(Outcome.OK, True), (Outcome.OK, False)]
    assert len(told) == 2
    assert [notice.partition(" that ")[0] for notice in sweep.notices] == ["Waiting for 1 run"]


def test_a_failure_of_another_sweep_is_a_failure_and_not_tried_again(sweep, tmp_path: Path):
    todo = tasks(1)
    write(tmp_path, todo[0], failed=True)
    transport = ScriptedTransport(tmp_path, {todo[0].key: [Outcome.HELD_BY_OTHER]})
    summary, _ = sweep(transport, todo, retries=3)
    assert ["another sweep" in item.message for item in summary.failures] == [True]


@pytest.mark.parametrize("left", ["let go", "died"])
def test_what_another_sweep_gave_up_is_done_here(left: str, sweep, tmp_path: Path):
    todo = tasks(1)
    if left == "died":
        write_lease(tmp_path, todo[0].key, "dead", dead_process())
    transport = ScriptedTransport(tmp_path, {todo[0].key: [Outcome.HELD_BY_OTHER, Outcome.OK]})
    summary, _ = sweep(transport, todo)
    assert len(transport.rounds) == 2
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


# --- workers that end -------------------------------------------------------------------------------------------------


def test_a_worker_that_exits_fails_its_run_and_is_replaced(sweep, tmp_path: Path):
    todo = tasks(2)
    died = Exited(0, "A worker died", log="Its output: x.log")
    transport = ScriptedTransport(tmp_path, {todo[0].key: [died]})
    summary, _ = sweep(transport, todo)
    assert [item.message for item in summary.failures] == ["A worker died during this run. Its output: x.log"]
    assert Shards(tmp_path).status(todo[0].spec.run_id) is RunStatus.FAILED
    assert len(summary.finished) == 2
    assert transport.started == 2
    assert sweep.notices == [f"A worker died during {todo[0].label}."]


@pytest.mark.parametrize(("losses", "failures"), [(3, 0), (4, 1)])
def test_a_lost_node_costs_no_run_until_it_happens_too_often(losses: int, failures: int, sweep, tmp_path: Path):
    todo = tasks(1)
    lost = Exited(0, "A node went away", node_lost=True)
    summary, told = sweep(ScriptedTransport(tmp_path, {todo[0].key: [lost] * losses + [Outcome.OK]}), todo)
    assert len(summary.failures) == failures
    assert len(told) == 1
    assert sweep.notices[0] == f"A node went away during {todo[0].label}. The run starts again on another node."
    assert [item.message for item in summary.failures] == ["its node was lost 4 times during this run."] * failures


def test_an_overdue_run_is_killed_and_fails_by_its_time_limit(sweep, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("bench.sweep.launch.supervisor.GRACE", 0.01)
    todo = tasks(1)
    transport = ScriptedTransport(tmp_path, {todo[0].key: [Exited(0, "never")]}, limit=0.01)
    summary, _ = sweep(transport, todo)
    assert transport.killed == [1]
    assert "0.01 s of --timeout" in summary.failures[0].message


def test_a_sweep_without_any_worker_that_starts_ends_with_the_reason(sweep, tmp_path: Path):
    transport = ScriptedTransport(tmp_path, {"start": [Exited(1, "A worker could not start: no disk.", started=False)]})
    with pytest.raises(LaunchError, match="could not start: no"):
        sweep(transport, tasks(2))


def test_ctrl_c_starts_no_further_run(sweep, tmp_path: Path):
    summary, _ = sweep(ScriptedTransport(tmp_path, interrupt=True), tasks(3))
    assert summary.interrupted
    assert len(summary.finished) == 1
    assert [notice.partition(" current ")[0] for notice in sweep.notices] == ["Stopping after the 1"]


def test_ctrl_c_between_two_runs_names_no_current_run(sweep, tmp_path: Path):
    summary, _ = sweep(ScriptedTransport(tmp_path), tasks(3), interrupt_after_each=True)
    assert summary.interrupted
    assert len(summary.finished) == 1
    assert [notice.partition(" is ")[0] for notice in sweep.notices] == ["Stopping. No run"]


def test_ctrl_c_before_a_worker_has_left_does_not_dismiss_it(sweep, tmp_path: Path):
    """A worker that leaves after its last task reports one exit, not another one for a dismissal."""

    class Leaving(ScriptedTransport):
        step = 0

        def capacity(self) -> int:
            return 2

        def poll(self, seconds: float) -> list[Event]:
            self.step += 1
            if self.step == 2:
                return [replace(self._events.pop(0), last=True)]
            if self.step == 3:
                signal.raise_signal(signal.SIGINT)
                return [Exited(1)]
            return super().poll(seconds)

    summary, _ = sweep(Leaving(tmp_path), tasks(3))
    assert summary.interrupted
    assert len(summary.finished) == 2


def test_a_memory_limit_that_the_system_cannot_enforce_is_reported(sweep, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("bench.sweep.launch.supervisor.CAN_LIMIT_MEMORY", False)
    transport = ScriptedTransport(tmp_path)
    transport.surroundings = transport.surroundings.model_copy(update={"limits": Limits(memory_bytes=1)})
    sweep(transport, tasks(1))
    assert sweep.notices == ["--memory has no effect on this system: only Linux can limit the memory of a process."]
