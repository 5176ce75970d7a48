"""Why a worker ended in the middle of a run: its time was over, the system killed it, or it went by itself."""

from __future__ import annotations

import signal
from pathlib import Path

from bench.errors import RunTimeoutError, WorkerDiedError, WorkerKilledError
from bench.launch.limits import timeout_message
from bench.launch.protocol import Limits
from datasets_registry import BenchError

_KILLED = (-signal.SIGKILL.value if hasattr(signal, "SIGKILL") else -9, 137)
"""Exit codes of a killed process: as Python reports them, and as shells and containers do."""


def exit_error(code: int, *, seconds: float, limits: Limits, log: Path) -> BenchError:
    """The error of a run whose worker ended.

    Args:
        code: exit code; minus the number of a signal.
        seconds: how long the run had taken.
        limits: what it was allowed.
        log: what it printed.
    """
    where = f"What it printed: {log}"
    if limits.seconds is not None and seconds >= limits.seconds:
        return RunTimeoutError(f"{timeout_message(limits.seconds)} Where it was then: {log}")
    if code in _KILLED:
        return WorkerKilledError(
            f"worker {describe_exit(code)} during this run. The usual reason is a lack of memory; if so, use "
            f"fewer --jobs. {where}"
        )
    return WorkerDiedError(f"worker {describe_exit(code)} during this run. {where}")


def describe_exit(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"died with signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"died with signal {-code}"
