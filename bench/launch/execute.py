"""Doing a task in two steps: its answer, computed wherever there is room, and the shard, written where the runs are."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from bench.context import RunContext
from bench.errors import RunExitError, WorkerKilledError
from bench.launch.protocol import DifficultyTask, FinishedTask, Outcome, Runner, RunTask, Surroundings, Task
from bench.record import DifficultyRecord, Predictions, RunRecord
from bench.results.shards import Shards

_NO_MEMORY = re.compile(r"out of memory|not enough memory|can't allocate memory|cannot allocate memory", re.IGNORECASE)


@dataclass(frozen=True)
class ComputedResult:
    """What came of a task, not on disk yet. Plain values, so that it can travel between machines.

    Args:
        task: what was asked.
        seconds: how long it took.
        record: the answer of a run, or the record of its failure; None for a difficulty.
        predictions: of a run, one entry per evaluation split.
        difficulties: of a difficulty, one record per class half.
        problem: why it failed, in one line; None if it did not.
        memory: whether it failed for want of memory.
    """

    task: Task
    seconds: float
    record: RunRecord | None = None
    predictions: tuple[Predictions, ...] = ()
    difficulties: tuple[DifficultyRecord, ...] = ()
    problem: str | None = None
    memory: bool = False


def execute(task: Task, runner: Runner, context: RunContext) -> ComputedResult:
    """Do one task. The one place that catches whatever a run raises; the failure is an answer like any other."""
    start = time.monotonic()
    try:
        if isinstance(task, DifficultyTask):
            measured = runner.measure_difficulty(task.backbone, task.dataset, context)
            return ComputedResult(task, _since(start), difficulties=tuple(measured))
        chosen = context if task.eval_batch is None else context.model_copy(update={"eval_batch": task.eval_batch})
        record, predictions = runner.run_experiment(task.spec, chosen)
        return ComputedResult(task, _since(start), record, tuple(predictions))
    except SystemExit as left:
        error = RunExitError(f"the run called sys.exit({left.code!r}), which would end its process; it has to raise.")
        return failed_result(task, error.with_traceback(left.__traceback__), runner, context, seconds=_since(start))
    except Exception as error:
        return failed_result(task, error, runner, context, seconds=_since(start))


def failed_result(
    task: Task, error: Exception, runner: Runner, context: RunContext, *, seconds: float
) -> ComputedResult:
    """The answer of a task that raised `error`, or during which something died."""
    record = runner.failed_record(task.spec, error, context) if isinstance(task, RunTask) else None
    return ComputedResult(task, seconds, record, problem=_line(error), memory=out_of_memory(error))


def out_of_memory(error: BaseException) -> bool:
    """Whether something failed for want of memory: Python's, torch's on any device, or the system's killing."""
    if isinstance(error, MemoryError | WorkerKilledError):
        return True
    named = {kind.__name__ for kind in type(error).__mro__}
    return "OutOfMemoryError" in named or (isinstance(error, RuntimeError) and bool(_NO_MEMORY.search(str(error))))


def _write_result(given: ComputedResult, shards: Shards) -> FinishedTask:
    """Write the shard of an answer, unless it is a failure and a success of the same run is already there.

    A difficulty that cannot be measured leaves no file and is tried again by the next sweep.

    Raises:
        OSError: the folder cannot be written.
        ShardError: the answer does not fit into a shard.
    """
    task, problem = given.task, given.problem
    if isinstance(task, DifficultyTask):
        if problem is None:
            shards.difficulties.write(task.backbone, task.dataset, given.difficulties)
    elif given.record is not None and not shards.write(given.record, given.predictions):
        return FinishedTask(task, Outcome.OK, given.seconds, f"an earlier success is kept, this time: {problem}")
    if problem is None:
        return FinishedTask(task, Outcome.OK, given.seconds)
    return FinishedTask(task, Outcome.FAILED, given.seconds, problem, memory=given.memory)


def store_result(given: ComputedResult, runner: Runner, surroundings: Surroundings) -> FinishedTask:
    """Commit an answer; one that does not fit into a shard becomes the failure of its run."""
    shards = Shards(surroundings.runs)
    try:
        try:
            return _write_result(given, shards)
        except OSError:
            raise
        except Exception as error:
            return _write_result(
                failed_result(given.task, error, runner, surroundings.context, seconds=given.seconds), shards
            )
    except OSError as error:
        return write_failure(given.task, surroundings, error, seconds=given.seconds)


def write_failure(task: Task, surroundings: Surroundings, error: OSError, *, seconds: float = 0.0) -> FinishedTask:
    """A task whose answer could not be kept."""
    reason = f"{surroundings.runs} cannot be written: {error.strerror or _line(error)}"
    return FinishedTask(task, Outcome.UNWRITTEN, seconds, reason)


def _since(start: float) -> float:
    return time.monotonic() - start


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if text else type(error).__name__
