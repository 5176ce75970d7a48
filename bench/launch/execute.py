"""Runs a task in two steps, possibly on two machines: compute its result, and write the shard."""

import time
from dataclasses import dataclass

from bench._util.out_of_memory import out_of_memory as says_out_of_memory
from bench.context import RunContext
from bench.errors import RunExitError, TrainingMemoryError, WorkerKilledError
from bench.launch.runner_module import Runner, load_runner
from bench.launch.tasks import DifficultyTask, FinishedTask, Outcome, RunTask, Surroundings, Task
from bench.record import DifficultyRecord, Predictions, RunRecord
from bench.results.shards import Shards
from bench.tuned import model_path, write_model
from datasets_registry import BenchError


@dataclass(frozen=True)
class ComputedResult:
    """The result of a task before it is written, as plain values that can be sent between machines.

    `problem` is the reason of a failure in one line. `memory` is True if memory ran out, and `in_training` if this was
    before the evaluation. A failed run also has a record. `model` is the content of the run's model file, if requested,
    or the reason why there is none.
    """

    task: Task
    seconds: float
    record: RunRecord | None = None
    predictions: tuple[Predictions, ...] = ()
    difficulties: tuple[DifficultyRecord, ...] = ()
    problem: str | None = None
    memory: bool = False
    in_training: bool = False
    model: bytes | BenchError | None = None


def execute(task: Task, runner: Runner, context: RunContext) -> ComputedResult:
    """Run one task. Only this function catches all errors of a run; a failure becomes its result."""
    start = time.monotonic()
    try:
        if isinstance(task, DifficultyTask):
            measured = runner.measure_difficulty(task.backbone, task.dataset, context)
            return ComputedResult(task, _since(start), difficulties=tuple(measured))
        chosen = context if task.eval_batch is None else context.model_copy(update={"eval_batch": task.eval_batch})
        chosen = chosen.model_copy(update={"alongside": task.alongside}) if task.alongside else chosen
        if chosen.keep_models:
            record, predictions, model = runner.run_and_keep(task.spec, chosen)
            return ComputedResult(task, _since(start), record, tuple(predictions), model=model)
        record, predictions = runner.run_experiment(task.spec, chosen)
        return ComputedResult(task, _since(start), record, tuple(predictions))
    except SystemExit as left:
        error = RunExitError(
            f"the run called sys.exit({left.code!r}), which would end its process; it must raise an error."
        )
        return failed_result(task, error.with_traceback(left.__traceback__), runner, context, seconds=_since(start))
    except Exception as error:
        return failed_result(task, error, runner, context, seconds=_since(start))


def failed_result(
    task: Task, error: Exception, runner: Runner, context: RunContext, *, seconds: float
) -> ComputedResult:
    """The result of a task that raised `error`, or whose worker died."""
    record = runner.failed_record(task.spec, error, context) if isinstance(task, RunTask) else None
    return ComputedResult(
        task,
        seconds,
        record,
        problem=_line(error),
        memory=out_of_memory(error),
        in_training=isinstance(error, TrainingMemoryError),
    )


def out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: an out-of-memory error, or a worker killed by the system."""
    return isinstance(error, WorkerKilledError) or says_out_of_memory(error)


def _write_result(result: ComputedResult, shards: Shards) -> FinishedTask:
    """Write the shard, unless the run failed and has succeeded before.

    A difficulty that cannot be measured leaves no file, so the next sweep tries again. Raises OSError if the folder
    cannot be written, and ShardError if the result does not fit into a shard.
    """
    task, problem = result.task, result.problem
    if isinstance(task, DifficultyTask):
        if problem is None:
            shards.difficulties.write(task.backbone, task.dataset, result.difficulties)
    elif result.record is not None and not shards.write(result.record, result.predictions):
        return FinishedTask(task, Outcome.OK, result.seconds, f"an earlier success is kept, this time: {problem}")
    if problem is None:
        return FinishedTask(task, Outcome.OK, result.seconds, _keep_model(result, shards))
    return FinishedTask(
        task, Outcome.FAILED, result.seconds, problem, memory=result.memory, in_training=result.in_training
    )


def _keep_model(result: ComputedResult, shards: Shards) -> str:
    """Write the model of a run whose shard is written; returns the reason if a requested model is missing."""
    if isinstance(result.model, bytes) and result.record is not None:
        write_model(model_path(shards.runs, result.record.run_id), result.model)
    return f"its model is not kept: {_line(result.model)}" if isinstance(result.model, BenchError) else ""


def store_result(result: ComputedResult, surroundings: Surroundings) -> FinishedTask:
    """Write a result. If it does not fit into a shard, the run fails."""
    shards = Shards(surroundings.runs)
    try:
        try:
            return _write_result(result, shards)
        except OSError:
            raise
        except Exception as error:
            runner = load_runner(surroundings.runner)
            failed = failed_result(result.task, error, runner, surroundings.context, seconds=result.seconds)
            return _write_result(failed, shards)
    except OSError as error:
        return write_failure(result.task, surroundings, error, seconds=result.seconds)


def write_failure(task: Task, surroundings: Surroundings, error: OSError, *, seconds: float = 0.0) -> FinishedTask:
    """A task whose result could not be written."""
    reason = f"{surroundings.runs} cannot be written: {error.strerror or _line(error)}"
    return FinishedTask(task, Outcome.UNWRITTEN, seconds, reason)


def _since(start: float) -> float:
    return time.monotonic() - start


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
