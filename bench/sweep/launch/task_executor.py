"""Runs a task in two steps, possibly on two machines: a runner computes its result, and the shard is written."""

import time
from importlib import import_module
from types import ModuleType
from typing import Protocol, cast

from bench._util.memory import out_of_memory as says_out_of_memory
from bench.context import RunContext
from bench.errors import TrainingMemoryError, WorkerDiedError, WorkerKilledError, WorkerMemoryError
from bench.experiment import model_path, write_model
from bench.record import DifficultyRecord, Predictions, RunRecord, RunStatus
from bench.results import Shards
from bench.spec import ExperimentSpec
from bench.sweep.launch.task_claims import was_used
from bench.sweep.launch.tasks import DifficultyTask, FinishedTask, Outcome, RunTask, Surroundings, Task
from datasets_registry import BenchError


class TaskRunner(Protocol):
    """A module that carries out runs, such as `bench.experiment.runner`."""

    def run_experiment(self, spec: ExperimentSpec, context: RunContext) -> tuple[RunRecord, list[Predictions]]:
        """Run one spec; raises on failure."""

    def run_and_keep(
        self, spec: ExperimentSpec, context: RunContext
    ) -> tuple[RunRecord, list[Predictions], bytes | BenchError]:
        """Run one spec and return the content of its model file as well; used only with `context.keep_models`."""

    def failed_record(self, spec: ExperimentSpec, error: BaseException, context: RunContext) -> RunRecord:
        """The record of a run that raised `error`."""

    def measure_difficulty(self, backbone: str, dataset: str, context: RunContext) -> list[DifficultyRecord]:
        """Difficulty of a dataset for a backbone, one record for each class half."""


def load_runner(name: str) -> TaskRunner:
    """The runner module of that name; raises BenchError if it cannot be imported or lacks a function."""
    try:
        module: ModuleType = import_module(name)
    except ImportError as error:
        raise BenchError(f"The runner {name!r} cannot be imported: {error}.") from error
    missing = [part for part in ("run_experiment", "failed_record", "measure_difficulty") if part not in vars(module)]
    if missing:
        raise BenchError(f"The runner {name!r} lacks {', '.join(missing)}; see `TaskRunner` in {__name__}.")
    return cast(TaskRunner, module)


def execute(task: Task, runner: TaskRunner, context: RunContext) -> FinishedTask:
    """Run one task. Only this function catches all errors of a run; a failure becomes its result."""
    start = time.monotonic()
    try:
        if isinstance(task, DifficultyTask):
            measured = runner.measure_difficulty(task.backbone, task.dataset, context)
            return FinishedTask(task, Outcome.OK, time.monotonic() - start, difficulties=tuple(measured))
        chosen = context if task.eval_batch is None else context.model_copy(update={"eval_batch": task.eval_batch})
        if chosen.keep_models:
            record, predictions, model = runner.run_and_keep(task.spec, chosen)
            return FinishedTask(
                task, Outcome.OK, time.monotonic() - start, record=record, predictions=tuple(predictions), model=model
            )
        record, predictions = runner.run_experiment(task.spec, chosen)
        return FinishedTask(task, Outcome.OK, time.monotonic() - start, record=record, predictions=tuple(predictions))
    except SystemExit as left:
        error = WorkerDiedError(
            f"the run called sys.exit({left.code!r}), which would end its process; it must raise an error."
        )
        return failed_result(
            task, error.with_traceback(left.__traceback__), runner, context, seconds=time.monotonic() - start
        )
    except Exception as error:
        return failed_result(task, error, runner, context, seconds=time.monotonic() - start)


def failed_result(
    task: Task, error: Exception, runner: TaskRunner, context: RunContext, *, seconds: float
) -> FinishedTask:
    """The result of a task that raised `error`, or whose worker died."""
    record = runner.failed_record(task.spec, error, context) if isinstance(task, RunTask) else None
    return FinishedTask(
        task,
        Outcome.FAILED,
        seconds,
        " ".join(record.error.message.split()) if record and record.error else _line(error),
        memory=ran_out_of_memory(error),
        killed=isinstance(error, WorkerKilledError),
        in_training=isinstance(error, TrainingMemoryError),
        record=record,
    )


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: an out-of-memory error, or a worker that the system killed for it."""
    return isinstance(error, WorkerMemoryError) or says_out_of_memory(error)


def _write_result(result: FinishedTask, shards: Shards) -> FinishedTask:
    """Write the shard, unless the run failed and has succeeded before.

    A difficulty that cannot be measured leaves no file, so the next sweep tries again. Raises OSError if the folder
    cannot be written, and ShardError if the result does not fit into a shard.
    """
    task, message = result.task, result.message
    if isinstance(task, DifficultyTask):
        if result.outcome is Outcome.OK:
            shards.difficulties.write(task.backbone, task.dataset, result.difficulties)
    elif result.record is not None and not shards.write(result.record, result.predictions):
        message = f"{message} (the result of an earlier success is kept)"
    elif result.outcome is Outcome.OK and isinstance(result.model, bytes):
        write_model(model_path(shards.runs, task.spec.run_id), result.model)
    elif result.outcome is Outcome.OK and isinstance(result.model, BenchError):
        message = f"its model is not kept: {_line(result.model)}"
    return result.stored(message)


def store_result(result: FinishedTask, surroundings: Surroundings) -> FinishedTask:
    """Write a result. If it does not fit into a shard, the run fails. A runs folder that is gone is not made again."""
    if (gone := if_gone(result.task, surroundings, result.seconds)) is not None:
        return gone
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


def if_gone(task: Task, surroundings: Surroundings, seconds: float = 0.0) -> FinishedTask | None:
    """What to report of a task if the runs folder, in which this process has a file, is gone; else None."""
    if was_used(surroundings.runs):
        return None
    reason = f"the runs folder {surroundings.runs} is gone; it was removed, renamed or unmounted during the sweep"
    return FinishedTask(task, Outcome.GONE, seconds, reason)


def write_failure(task: Task, surroundings: Surroundings, error: OSError, *, seconds: float = 0.0) -> FinishedTask:
    """A task whose result could not be written."""
    reason = f"{error.filename or surroundings.runs} cannot be written: {error.strerror or _line(error)}"
    return FinishedTask(task, Outcome.UNWRITTEN, seconds, reason)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def existing_result(task: Task, shards: Shards) -> FinishedTask | None:
    """The result that another process has written since the task was planned, or None."""
    if isinstance(task, RunTask):
        stamp = shards.stamp(task.spec.run_id)
        status = None if stamp in (None, task.known_stamp) else shards.status(task.spec.run_id)
        if status is RunStatus.FAILED:
            return FinishedTask(task, Outcome.FAILED, 0.0, "it failed in another sweep", here=False)
        return None if status is None else FinishedTask(task, Outcome.OK, 0.0, here=False)
    stamp = shards.difficulties.stamp(task.backbone, task.dataset)
    if stamp in (None, task.known_stamp) or not shards.difficulties.has(task.backbone, task.dataset):
        return None
    return FinishedTask(task, Outcome.OK, 0.0, here=False)
