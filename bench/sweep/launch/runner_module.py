"""Loads the module that carries out runs in a worker, by its name."""

from importlib import import_module
from types import ModuleType
from typing import Protocol, cast

from bench.context import RunContext
from bench.errors import LaunchError
from bench.record import DifficultyRecord, Predictions, RunRecord
from bench.spec import ExperimentSpec
from bench.sweep.launch.tasks import DEFAULT_RUNNER
from datasets_registry import BenchError

_FORMER_NAMES = {"bench.runner": DEFAULT_RUNNER}


class Runner(Protocol):
    """Carries out the runs of a process: a runner module such as `bench.experiment.runner`, or its class."""

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


def load_runner(name: str) -> Runner:
    """A new runner of the module of that name; raises LaunchError if it cannot be imported or lacks a function.

    If the module has a class `ProcessRunner`, which remembers something between the runs of a process, it is one of it.
    """
    try:
        module: ModuleType = import_module(_FORMER_NAMES.get(name, name))
    except ImportError as error:
        raise LaunchError(f"The runner {name!r} cannot be imported: {error}.") from error
    missing = [part for part in ("run_experiment", "failed_record", "measure_difficulty") if part not in vars(module)]
    if missing:
        raise LaunchError(f"The runner {name!r} lacks {', '.join(missing)}; see `Runner` in {__name__}.")
    return cast(Runner, module.ProcessRunner() if "ProcessRunner" in vars(module) else module)
