"""What a launcher takes and reports: tasks, events and the summary, with no word about how they travel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Protocol, Self, cast

from bench.context import RunContext
from bench.errors import LaunchError
from bench.record import DifficultyRecord, Predictions, RunRecord
from bench.spec import ExperimentSpec

DEFAULT_RUNNER = "bench.runner"


@dataclass(frozen=True)
class RunTask:
    """Answer one spec and write its shard."""

    spec: ExperimentSpec

    @property
    def label(self) -> str:
        """A short human name."""
        return self.spec.label()

    @property
    def place(self) -> tuple[str, str]:
        """Backbone and dataset: tasks of one place share frozen features."""
        return self.spec.backbone, self.spec.dataset

    @property
    def group(self) -> tuple[str, str, int]:
        """Tasks of one group share features, support set and views, and are best done one after the other."""
        return *self.place, self.spec.seed


@dataclass(frozen=True)
class DifficultyTask:
    """Measure how hard one dataset is for one backbone."""

    backbone: str
    dataset: str

    @property
    def label(self) -> str:
        """A short human name."""
        return f"difficulty of {self.dataset} for {self.backbone}"

    @property
    def place(self) -> tuple[str, str]:
        """Backbone and dataset."""
        return self.backbone, self.dataset

    @property
    def group(self) -> tuple[str, str, int]:
        """Comes first in its place: the test features it computes serve every run there."""
        return *self.place, -1


Task = RunTask | DifficultyTask


class Outcome(StrEnum):
    """How a task ended."""

    OK = "ok"
    FAILED = "failed"


@dataclass(frozen=True)
class Finished:
    """A task that ended, with its shard on disk."""

    task: Task
    outcome: Outcome
    seconds: float
    message: str = ""


@dataclass(frozen=True)
class LaunchSummary:
    """What became of a list of tasks. Tasks that are neither finished nor failed were never completed."""

    finished: tuple[Finished, ...]
    interrupted: bool

    @property
    def failures(self) -> list[Finished]:
        """The tasks that failed, in the order in which they did."""
        return [item for item in self.finished if item.outcome is Outcome.FAILED]


class Launcher(Protocol):
    """Runs tasks somewhere. Every finished task has its shard on disk before it is reported."""

    def launch(self, tasks: Sequence[Task], *, on_finished: Callable[[Finished], None]) -> LaunchSummary:
        """Run all tasks, in whatever order shares most work; returns early only if interrupted.

        Args:
            tasks: what to do; no two alike.
            on_finished: called in the caller's thread after each task.
        """
        ...


class Runner(Protocol):
    """What a runner module offers; `bench.runner` is the one that runs experiments."""

    def run_experiment(self, spec: ExperimentSpec, context: RunContext) -> tuple[RunRecord, list[Predictions]]:
        """Answer one spec; raises on failure."""
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
        module: ModuleType = import_module(name)
    except ImportError as error:
        raise LaunchError(f"The runner {name!r} cannot be imported: {error}.") from error
    missing = [part for part in ("run_experiment", "failed_record", "measure_difficulty") if part not in vars(module)]
    if missing:
        raise LaunchError(f"The runner {name!r} lacks {', '.join(missing)}; see bench.launch._protocol.Runner.")
    return cast(Runner, module)


@dataclass(frozen=True)
class Surroundings:
    """What a worker needs besides its tasks; travels as plain JSON values."""

    runs: Path
    context: RunContext
    runner: str = DEFAULT_RUNNER

    def dump(self) -> dict[str, object]:
        """Plain values."""
        context = self.context
        return {
            "runs": str(self.runs),
            "runner": self.runner,
            "data_root": None if context.data_root is None else str(context.data_root),
            "cache_dir": None if context.cache_dir is None else str(context.cache_dir),
            "cache_limit": context.cache_limit,
            "hidden_limit": context.hidden_limit,
            "weights": {name: str(path) for name, path in context.weights.items()},
            "files": {digest: str(path) for digest, path in context.files.items()},
            "device": context.device,
            "threads": context.threads,
            "keep_branches": context.keep_branches,
        }

    @classmethod
    def load(cls, value: dict[str, object]) -> Self:
        """The inverse of `dump`."""
        weights = cast(dict[str, str], value["weights"])
        files = cast(dict[str, str], value["files"])
        context = RunContext(
            data_root=None if value["data_root"] is None else Path(str(value["data_root"])),
            cache_dir=None if value["cache_dir"] is None else Path(str(value["cache_dir"])),
            cache_limit=int(str(value["cache_limit"])),
            hidden_limit=None if value["hidden_limit"] is None else int(str(value["hidden_limit"])),
            weights={name: Path(path) for name, path in weights.items()},
            files={digest: Path(path) for digest, path in files.items()},
            device=str(value["device"]),
            threads=int(str(value["threads"])),
            keep_branches=bool(value["keep_branches"]),
        )
        return cls(runs=Path(str(value["runs"])), context=context, runner=str(value["runner"]))


def dump_task(task: Task) -> dict[str, object]:
    """A task as plain JSON values."""
    if isinstance(task, RunTask):
        return {"kind": "run", "spec": task.spec.model_dump(mode="json")}
    return {"kind": "difficulty", "backbone": task.backbone, "dataset": task.dataset}


def load_task(value: dict[str, object]) -> Task:
    """The inverse of `dump_task`."""
    if value["kind"] == "run":
        return RunTask(ExperimentSpec.model_validate(value["spec"]))
    return DifficultyTask(str(value["backbone"]), str(value["dataset"]))
