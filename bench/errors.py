"""Errors that the harness raises on purpose. Messages say what was given, what is allowed and what to do next."""

from datasets_registry import BenchError as BenchError


class UsageError(BenchError, ValueError):
    """A command-line option, a setting or an argument of a library call is invalid, or names what does not exist."""


class ImpossibleCombinationError(BenchError, ValueError):
    """A combination that was requested by name cannot work; raised before any weights are loaded."""


class ShardError(BenchError, ValueError):
    """An undamaged run shard that this release cannot read."""


class RunsFolderError(BenchError, OSError):
    """The runs folder cannot be written."""


class BundleError(BenchError, ValueError):
    """A bundle of results cannot be written, is not a bundle, was altered, or contradicts itself."""


class StoreError(BenchError, RuntimeError):
    """The results database cannot be used, or rejects a query."""


class StoreLockedError(StoreError):
    """Another process holds the results database."""


class NoWorkerError(BenchError):
    """Every worker ended before it was ready, which is no wrong usage."""


class WorkerDiedError(BenchError, RuntimeError):
    """A worker process ended during a run, or the run tried to end it."""


class WorkerKilledError(WorkerDiedError):
    """A worker process was killed from outside."""


class WorkerMemoryError(WorkerKilledError):
    """A worker process was killed by the system because memory ran out, as the system recorded."""


class RunTimeoutError(BenchError, TimeoutError):
    """A run exceeded its time limit."""


class TrainingMemoryError(BenchError, MemoryError):
    """Memory ran out while a run prepared or trained, so that smaller evaluation batches do not help."""


class NonFiniteLossError(BenchError, ArithmeticError):
    """The training loss or the logits became NaN or infinite."""


class CacheError(BenchError, OSError):
    """The feature cache cannot be created, read or written."""


class StaleSpecError(BenchError, RuntimeError):
    """The data of a spec changed between planning and running."""
