"""What the harness refuses on purpose. Every message says what was given, what is allowed and what to do next."""

from __future__ import annotations

from datasets_registry import BenchError


class UsageError(BenchError, ValueError):
    """An option of the command line, or an argument of a library call, that cannot be understood."""


class OverrideError(BenchError, ValueError):
    """A `--set` that names no setting, or gives a value that the setting does not take."""


class ImpossibleCombinationError(BenchError, ValueError):
    """Combinations asked for by name that cannot work, found before any weight is loaded."""


class ShardError(BenchError, ValueError):
    """A run shard that this release cannot read although it is intact."""


class RunsFolderError(BenchError, OSError):
    """A runs folder that cannot be written."""


class UnknownRunError(BenchError, KeyError):
    """A run id, or the beginning of one, that no shard or more than one shard has."""

    def __str__(self) -> str:
        return str(self.args[0])


class VerificationError(BenchError, ValueError):
    """A run that cannot be compared with a second answer: it failed, or the answer is to another question."""


class BundleError(BenchError, ValueError):
    """A bundle of results that cannot be written, is none, was altered, or does not support its own numbers."""


class StoreError(BenchError, RuntimeError):
    """The results database cannot be used as asked."""


class StoreLockedError(StoreError):
    """Another process holds the results database."""


class StoreVersionError(StoreError):
    """The results database was written by a newer release."""


class QueryError(StoreError):
    """A query that is not one reading SQL statement, or that DuckDB refuses."""


class LaunchError(BenchError, RuntimeError):
    """Workers that cannot be started, or a runner that cannot be imported."""


class WorkerDiedError(BenchError, RuntimeError):
    """A worker process ended in the middle of a run."""


class WorkerKilledError(WorkerDiedError):
    """A worker process was killed from outside, as the system does with the largest one when memory runs out."""


class RunTimeoutError(BenchError, TimeoutError):
    """A run that took longer than it was allowed to."""


class RunExitError(BenchError, RuntimeError):
    """A run that tried to end the process it runs in."""


class NonFiniteLossError(BenchError, ArithmeticError):
    """Training reached a loss that is not a finite number."""


class CacheError(BenchError, OSError):
    """A feature cache that cannot be created, read or written."""


class StaleSpecError(BenchError, RuntimeError):
    """A spec whose data changed between planning and running."""
