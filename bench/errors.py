"""Errors that the harness raises on purpose. Messages say what was given, what is allowed and what to do next."""

from datasets_registry import BenchError as BenchError


class UsageError(BenchError, ValueError):
    """A command-line option or an argument of a library call is invalid."""


class OverrideError(BenchError, ValueError):
    """A `--set` names an unknown setting, or gives it an invalid value."""


class ImpossibleCombinationError(BenchError, ValueError):
    """A combination that was requested by name cannot work; raised before any weights are loaded."""


class ShardError(BenchError, ValueError):
    """An undamaged run shard that this release cannot read."""


class RunsFolderError(BenchError, OSError):
    """The runs folder cannot be written."""


class UnknownRunError(BenchError, KeyError):
    """No run, or more than one run, has an id with the given beginning."""

    def __str__(self) -> str:
        return str(self.args[0])


class VerificationError(BenchError, ValueError):
    """A run cannot be compared with a repetition: it failed, or the specs differ."""


class BundleError(BenchError, ValueError):
    """A bundle of results cannot be written, is not a bundle, was altered, or contradicts itself."""


class StoreError(BenchError, RuntimeError):
    """The results database cannot be used."""


class StoreLockedError(StoreError):
    """Another process holds the results database."""


class QueryError(StoreError):
    """A query is not a single reading SQL statement, or DuckDB rejects it."""


class LaunchError(BenchError, RuntimeError):
    """Workers cannot be started, or the runner cannot be imported."""


class NoWorkerError(LaunchError):
    """Every worker ended before it was ready, which is no wrong usage."""


class WorkerDiedError(BenchError, RuntimeError):
    """A worker process ended during a run."""


class WorkerKilledError(WorkerDiedError):
    """A worker process was killed from outside."""


class WorkerMemoryError(WorkerKilledError):
    """A worker process was killed by the system because memory ran out, as the system recorded."""


class RunTimeoutError(BenchError, TimeoutError):
    """A run exceeded its time limit."""


class RunExitError(BenchError, RuntimeError):
    """A run tried to end its own process."""


class TrainingMemoryError(BenchError, MemoryError):
    """Memory ran out while a run prepared or trained, so that smaller evaluation batches do not help."""


class NonFiniteLossError(BenchError, ArithmeticError):
    """The training loss became NaN or infinite."""


class CacheError(BenchError, OSError):
    """The feature cache cannot be created, read or written."""


class StaleSpecError(BenchError, RuntimeError):
    """The data of a spec changed between planning and running."""
