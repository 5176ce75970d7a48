"""Doing a task in two steps: its answer, computed wherever there is room, and the shard, written where the runs are."""

from __future__ import annotations

import time
from dataclasses import dataclass

from bench.context import RunContext
from bench.launch._protocol import DifficultyTask, Finished, Outcome, Runner, RunTask, Surroundings, Task
from bench.record import DifficultyRecord, Predictions, RunRecord
from bench.shards import Shards


@dataclass(frozen=True)
class Answer:
    """What came of a task, not on disk yet. Plain values, so that it can travel between machines.

    Args:
        task: what was asked.
        seconds: how long it took.
        record: the answer of a run, or the record of its failure; None for a difficulty.
        predictions: of a run, one entry per evaluation split.
        difficulties: of a difficulty, one record per class half.
        problem: why it failed, in one line; None if it did not.
    """

    task: Task
    seconds: float
    record: RunRecord | None = None
    predictions: tuple[Predictions, ...] = ()
    difficulties: tuple[DifficultyRecord, ...] = ()
    problem: str | None = None


def answer(task: Task, runner: Runner, context: RunContext) -> Answer:
    """Do one task. The one place that catches whatever a run raises; the failure is an answer like any other."""
    start = time.monotonic()
    try:
        if isinstance(task, DifficultyTask):
            measured = runner.measure_difficulty(task.backbone, task.dataset, context)
            return Answer(task, time.monotonic() - start, difficulties=tuple(measured))
        record, predictions = runner.run_experiment(task.spec, context)
        return Answer(task, time.monotonic() - start, record, tuple(predictions))
    except Exception as error:
        return failure(task, error, runner, context, seconds=time.monotonic() - start)


def failure(task: Task, error: Exception, runner: Runner, context: RunContext, *, seconds: float) -> Answer:
    """The answer of a task that raised `error`, or during which something died."""
    record = runner.failed_record(task.spec, error, context) if isinstance(task, RunTask) else None
    return Answer(task, seconds, record, problem=_line(error))


def commit(given: Answer, shards: Shards) -> Finished:
    """Write the shard of an answer, unless it is a failure and a success of the same run is already there.

    A difficulty that cannot be measured leaves no file and is tried again by the next sweep.

    Raises:
        OSError: the folder cannot be written.
        ShardError: the answer does not fit into a shard.
    """
    task, problem = given.task, given.problem
    if isinstance(task, DifficultyTask):
        if problem is None:
            shards.write_difficulty(task.backbone, task.dataset, given.difficulties)
    elif given.record is not None and not shards.write(given.record, given.predictions):
        return Finished(task, Outcome.OK, given.seconds, f"an earlier success is kept, this time: {problem}")
    return Finished(task, Outcome.OK if problem is None else Outcome.FAILED, given.seconds, problem or "")


def settle(given: Answer, runner: Runner, surroundings: Surroundings) -> Finished:
    """Commit an answer; one that cannot be written becomes the failure of its run."""
    shards = Shards(surroundings.runs)
    try:
        return commit(given, shards)
    except Exception as error:
        return commit(failure(given.task, error, runner, surroundings.context, seconds=given.seconds), shards)


def perform(task: Task, runner: Runner, surroundings: Surroundings) -> Finished:
    """Do one task here and commit its shard."""
    return settle(answer(task, runner, surroundings.context), runner, surroundings)


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if text else type(error).__name__
