"""Runs a task in two steps, possibly on two machines: a runner computes its result, and the shard is written."""

import time
from dataclasses import dataclass
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
from bench.sweep.launch.claims import was_used
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


@dataclass(frozen=True)
class ComputedResult:
    """The result of a task before it is written, as plain values that can be sent between machines.

    `problem` is the reason of a failure in one line. `memory` is True if memory ran out, `in_training` if this was
    before the evaluation, and `killed` if its process was killed. A failed run also has a record. `model` is the
    content of the run's model file, if requested, or the reason why there is none.
    """

    task: Task
    seconds: float
    record: RunRecord | None = None
    predictions: tuple[Predictions, ...] = ()
    difficulties: tuple[DifficultyRecord, ...] = ()
    problem: str | None = None
    memory: bool = False
    killed: bool = False
    in_training: bool = False
    model: bytes | BenchError | None = None


def execute(task: Task, runner: TaskRunner, context: RunContext) -> ComputedResult:
    """Run one task. Only this function catches all errors of a run; a failure becomes its result."""
    start = time.monotonic()
    try:
        if isinstance(task, DifficultyTask):
            measured = runner.measure_difficulty(task.backbone, task.dataset, context)
            return ComputedResult(task, _since(start), difficulties=tuple(measured))
        chosen = context if task.eval_batch is None else context.model_copy(update={"eval_batch": task.eval_batch})
        if chosen.keep_models:
            record, predictions, model = runner.run_and_keep(task.spec, chosen)
            return ComputedResult(task, _since(start), record, tuple(predictions), model=model)
        record, predictions = runner.run_experiment(task.spec, chosen)
        return ComputedResult(task, _since(start), record, tuple(predictions))
    except SystemExit as left:
        error = WorkerDiedError(
            f"the run called sys.exit({left.code!r}), which would end its process; it must raise an error."
        )
        return failed_result(task, error.with_traceback(left.__traceback__), runner, context, seconds=_since(start))
    except Exception as error:
        return failed_result(task, error, runner, context, seconds=_since(start))


def failed_result(
    task: Task, error: Exception, runner: TaskRunner, context: RunContext, *, seconds: float
) -> ComputedResult:
    """The result of a task that raised `error`, or whose worker died."""
    record = runner.failed_record(task.spec, error, context) if isinstance(task, RunTask) else None
    return ComputedResult(
        task,
        seconds,
        record,
        problem=" ".join(record.error.message.split()) if record and record.error else _line(error),
        memory=ran_out_of_memory(error),
        killed=isinstance(error, WorkerKilledError),
        in_training=isinstance(error, TrainingMemoryError),
    )


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: an out-of-memory error, or a worker that the system killed for it."""
    return isinstance(error, WorkerMemoryError) or says_out_of_memory(error)


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
        problem = f"{problem} (the result of an earlier success is kept)"
    if problem is None:
        return FinishedTask(task, Outcome.OK, result.seconds, _keep_model(result, shards))
    return FinishedTask(
        task,
        Outcome.FAILED,
        result.seconds,
        problem,
        memory=result.memory,
        killed=result.killed,
        in_training=result.in_training,
    )


def _keep_model(result: ComputedResult, shards: Shards) -> str:
    """Write the model of a run whose shard is written; returns the reason if a requested model is missing."""
    if isinstance(result.model, bytes) and result.record is not None:
        write_model(model_path(shards.runs, result.record.run_id), result.model)
    return f"its model is not kept: {_line(result.model)}" if isinstance(result.model, BenchError) else ""


def store_result(result: ComputedResult, surroundings: Surroundings) -> FinishedTask:
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


def _since(start: float) -> float:
    return time.monotonic() - start


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


LOGS = "logs"
"""Folder, below the runs folder, for the output of runs and workers."""
CHECKPOINTS = "checkpoints"
"""Folder, below the runs folder, for checkpoints."""


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
