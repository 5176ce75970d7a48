"""What a launcher takes and reports: tasks, events and the summary, with no word about how they travel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal, Protocol, Self, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from bench._util.slugs import slug
from bench.context import RunContext
from bench.errors import LaunchError
from bench.record import DifficultyRecord, Predictions, RunRecord
from bench.spec import ExperimentSpec

DEFAULT_RUNNER = "bench.experiment.runner"
_FORMER_NAMES = {"bench.runner": DEFAULT_RUNNER}


@dataclass(frozen=True)
class RunTask:
    """ComputedResult one spec and write its shard.

    Args:
        spec: the question.
        seen: stamp of the shard that was there at planning (`Shards.stamp`); one that came since is an answer.
        attempt: 1, and one more each time it is tried again.
        eval_batch: test images per batch; None for the runner's own choice.
    """

    spec: ExperimentSpec
    known_stamp: str | None = None
    attempt: int = 1
    eval_batch: int | None = None
    kind: Literal["run"] = "run"

    @property
    def key(self) -> str:
        """What a lease on it is called."""
        return self.spec.run_id

    @property
    def label(self) -> str:
        """A short human name."""
        return self.spec.label()

    @property
    def pair(self) -> tuple[str, str]:
        """Backbone and dataset: tasks of one place share frozen features."""
        return self.spec.backbone, self.spec.dataset

    @property
    def group(self) -> tuple[str, str, int]:
        """Tasks of one group share features, support set and views, and are best done one after the other."""
        return *self.pair, self.spec.seed


@dataclass(frozen=True)
class DifficultyTask:
    """Measure how hard one dataset is for one backbone; `seen` and `attempt` as for runs."""

    backbone: str
    dataset: str
    known_stamp: str | None = None
    attempt: int = 1
    kind: Literal["difficulty"] = "difficulty"

    @property
    def key(self) -> str:
        """What a lease on it is called."""
        return f"difficulty.{slug(self.backbone)}.{slug(self.dataset)}"

    @property
    def label(self) -> str:
        """A short human name."""
        return f"difficulty of {self.dataset} for {self.backbone}"

    @property
    def pair(self) -> tuple[str, str]:
        """Backbone and dataset."""
        return self.backbone, self.dataset

    @property
    def group(self) -> tuple[str, str, int]:
        """Comes first in its place: the test features it computes serve every run there."""
        return *self.pair, -1


Task = RunTask | DifficultyTask


class Outcome(StrEnum):
    """How a task ended."""

    OK = "ok"
    FAILED = "failed"
    ELSEWHERE = "elsewhere"
    """Another process is at it and nothing was done here; whoever launched it asks again later."""
    UNWRITTEN = "unwritten"
    """The answer could not be written. A launcher hands out nothing more, since more would be lost."""


@dataclass(frozen=True)
class FinishedTask:
    """A task that ended, with its shard on disk if it is ok or failed.

    Args:
        task: what was asked.
        outcome: how it ended.
        seconds: how long it took.
        message: why it failed, or a remark.
        memory: whether it failed for want of memory.
        here: False if another sweep did it.
    """

    task: Task
    outcome: Outcome
    seconds: float
    message: str = ""
    memory: bool = False
    here: bool = True

    def dump(self) -> dict[str, object]:
        """Plain values, without the task."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if name != "task"}

    @classmethod
    def load(cls, task: Task, value: Mapping[str, Any]) -> Self:
        """The inverse of `dump`; other keys are left out."""
        names = {field.name for field in fields(cls)} - {"task"}
        given = {name: item for name, item in value.items() if name in names}
        return cls(task, **given | {"outcome": Outcome(given["outcome"])})


@dataclass(frozen=True)
class LaunchSummary:
    """What became of a list of tasks. Tasks that are neither finished nor failed were never completed."""

    finished: tuple[FinishedTask, ...]
    interrupted: bool

    @property
    def failures(self) -> list[FinishedTask]:
        """The tasks that failed, in the order in which they did."""
        return [item for item in self.finished if item.outcome is Outcome.FAILED]

    @property
    def unwritten(self) -> FinishedTask | None:
        """The first task whose answer could not be written, if there is one."""
        return next((item for item in self.finished if item.outcome is Outcome.UNWRITTEN), None)


@dataclass(frozen=True)
class Limits:
    """What one run may take.

    Args:
        seconds: wall clock, then it is stopped and has failed; None for no limit.
        memory_bytes: private memory of a worker process, then allocating fails; None for no limit.
    """

    seconds: float | None = None
    memory_bytes: int | None = None


NO_LIMITS = Limits()


class Launcher(Protocol):
    """Runs tasks somewhere. Every finished task has its shard on disk before it is reported.

    Trying again, and waiting for what other sweeps do, is not a launcher's business: see `bench.launch.supervisor`.
    Tasks go through a `bench.launch.task_executor.TaskExecutor`, which keeps processes from doing the same task twice.
    """

    def launch(self, tasks: Sequence[Task], *, on_finished: Callable[[FinishedTask], None]) -> LaunchSummary:
        """Run all tasks, in whatever order shares most work; returns early only if interrupted.

        Args:
            tasks: what to do; no two alike.
            on_finished: called in the caller's thread after each task.
        """
        ...


class Runner(Protocol):
    """What a runner module offers; `bench.experiment.runner` is the one that runs experiments."""

    def run_experiment(self, spec: ExperimentSpec, context: RunContext) -> tuple[RunRecord, list[Predictions]]:
        """ComputedResult one spec; raises on failure."""
        ...

    def failed_record(self, spec: ExperimentSpec, error: BaseException, context: RunContext) -> RunRecord:
        """The record of a run that raised `error`."""
        ...

    def measure_difficulty(self, backbone: str, dataset: str, context: RunContext) -> list[DifficultyRecord]:
        """Difficulty of a dataset for a backbone, one record per class half."""
        ...


def load_runner(name: str) -> Runner:
    """The runner module of that name; raises LaunchError if it cannot be imported or lacks a function."""
    from importlib import import_module

    try:
        module: ModuleType = import_module(_FORMER_NAMES.get(name, name))
    except ImportError as error:
        raise LaunchError(f"The runner {name!r} cannot be imported: {error}.") from error
    missing = [part for part in ("run_experiment", "failed_record", "measure_difficulty") if part not in vars(module)]
    if missing:
        raise LaunchError(f"The runner {name!r} lacks {', '.join(missing)}; see bench.launch.protocol.Runner.")
    return cast(Runner, module)


class Surroundings(BaseModel):
    """What a worker needs besides its tasks. It reaches workers as JSON.

    Args:
        runs: the runs folder.
        context: how runs are carried out.
        runner: module that computes runs.
        limits: of one run.
        sweep: name of the sweep's heartbeat.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    runs: Path
    context: RunContext
    runner: str = DEFAULT_RUNNER
    limits: Limits = NO_LIMITS
    sweep: str = ""


_TASK: TypeAdapter[Task] = TypeAdapter(Annotated[Task, Field(discriminator="kind")])


def dump_task(task: Task) -> dict[str, object]:
    """A task as plain JSON values."""
    return cast(dict[str, object], _TASK.dump_python(task, mode="json"))


def load_task(value: Mapping[str, object]) -> Task:
    """The inverse of `dump_task`."""
    return _TASK.validate_python(value)
