"""Tasks, their outcomes, and the surroundings that a worker needs to run them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict

from bench.context import RunContext
from bench.results import slug
from bench.spec import ExperimentSpec
from datasets_registry import BenchError

if TYPE_CHECKING:
    from bench.record import DifficultyRecord, Predictions, RunRecord

DEFAULT_RUNNER = "bench.experiment.runner"
Group = tuple[str, str, int | str]
"""Backbone, dataset, and seed or kind: tasks that share features (those of backbone and dataset), support and views."""


@dataclass(frozen=True)
class RunTask:
    """Run one spec and write its shard.

    Args:
        name: its label in the plan; empty for that of the spec.
        known_stamp: stamp of the shard at planning (`Shards.stamp`). A shard with another stamp is a new result.
        attempt: number of the attempt, from 1.
        eval_batch: test images per batch; None for the context's value.
        alone: whether no other run of the sweep may run at the same time.
        head: whether it trains on stored features only and is assigned separately from runs through a tower, see
            `bench.sweep.plan`.
    """

    spec: ExperimentSpec
    known_stamp: str | None = None
    name: str = ""
    attempt: int = 1
    eval_batch: int | None = None
    alone: bool = False
    head: bool = False

    @property
    def key(self) -> str:
        """Name of its claim and its log."""
        return self.spec.run_id

    @property
    def label(self) -> str:
        """A short name for messages."""
        return self.name or self.spec.label()

    @property
    def group(self) -> Group:
        """Tasks of one group are best run one after the other: they share features, support set and views."""
        return self.spec.backbone, self.spec.dataset, f"heads of seed {self.spec.seed}" if self.head else self.spec.seed


@dataclass(frozen=True)
class DifficultyTask:
    """Measure the difficulty of one dataset for one backbone; `known_stamp` and `attempt` as for runs."""

    backbone: str
    dataset: str
    known_stamp: str | None = None
    attempt: int = 1

    @property
    def key(self) -> str:
        """Name of its claim and its log."""
        return f"difficulty.{slug(self.backbone)}.{slug(self.dataset)}"

    @property
    def label(self) -> str:
        """A short name for messages."""
        return f"difficulty of {self.dataset} for {self.backbone}"

    @property
    def group(self) -> Group:
        """A separate group: every run of the same backbone and dataset uses its test features."""
        return self.backbone, self.dataset, -1


Task = RunTask | DifficultyTask


class Outcome(StrEnum):
    """How a task ended."""

    OK = "ok"
    FAILED = "failed"
    UNWRITTEN = "unwritten"
    """The result could not be written. No further task is taken, since its result would be lost too."""
    GONE = "gone"
    """The runs folder was removed during the sweep. No further task is taken."""

    @property
    def ends_sweep(self) -> bool:
        """Whether no further result can be stored."""
        return self in (Outcome.UNWRITTEN, Outcome.GONE)


@dataclass(frozen=True)
class FinishedTask:
    """A task that ended, as plain values that can be sent between processes and machines.

    Once it is stored, it has no results any more. If it is ok or failed, its shard is on disk, or that of an earlier
    success after a failure.

    Args:
        message: the reason of a failure in one line, or a remark.
        memory: it failed because memory ran out.
        killed: its process was killed.
        in_training: memory ran out before the evaluation.
        here: whether this sweep ran it.
        record: of a run, also of a failed one, with its predictions; `difficulties` are those of the other tasks.
        model: the content of the run's model file, if requested, or the reason why there is none.
    """

    task: Task
    outcome: Outcome
    seconds: float
    message: str = ""
    memory: bool = False
    killed: bool = False
    in_training: bool = False
    here: bool = True
    record: RunRecord | None = None
    predictions: tuple[Predictions, ...] = ()
    difficulties: tuple[DifficultyRecord, ...] = ()
    model: bytes | BenchError | None = None

    def stored(self, message: str) -> Self:
        """This task without its results, which are on disk."""
        return replace(self, message=message, record=None, predictions=(), difficulties=(), model=None)

    def dump(self) -> dict[str, object]:
        """JSON values, without the task and its results."""
        fields = ("outcome", "seconds", "message", "memory", "killed", "in_training", "here")
        return {name: getattr(self, name) for name in fields}


@dataclass(frozen=True)
class LaunchSummary:
    """The outcome of a sweep. Tasks that are missing from `finished` were never completed.

    `held` is the number of tasks that other sweeps are working on.
    """

    finished: tuple[FinishedTask, ...]
    interrupted: bool
    held: int = 0

    @property
    def runs(self) -> list[FinishedTask]:
        """The finished runs, without measured difficulties."""
        return [item for item in self.finished if isinstance(item.task, RunTask)]

    @property
    def failures(self) -> list[FinishedTask]:
        """The failed runs, in the order of their failures."""
        return [item for item in self.runs if item.outcome is Outcome.FAILED]

    @property
    def unmeasured(self) -> list[FinishedTask]:
        """The difficulties that could not be measured; they do not count as failed runs."""
        measured = [item for item in self.finished if isinstance(item.task, DifficultyTask)]
        return [item for item in measured if item.outcome is Outcome.FAILED]

    @property
    def unwritten(self) -> FinishedTask | None:
        """The first task whose result could not be written, or None."""
        return next((item for item in self.finished if item.outcome.ends_sweep), None)


class Surroundings(BaseModel):
    """Everything that a worker needs besides its tasks.

    Args:
        timeout: wall-clock seconds of a run; None for no limit.
        memory_bytes: private memory of a worker process; None for no limit.
        sweep: name of the sweep's file among the living processes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    runs: Path
    context: RunContext
    runner: str = DEFAULT_RUNNER
    timeout: float | None = None
    memory_bytes: int | None = None
    sweep: str = ""
