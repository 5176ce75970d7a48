"""Why a worker ended during a run: the time limit, the system's memory, a lost node, or the run itself."""

import signal
from pathlib import Path

from bench.errors import RunTimeoutError, WorkerDiedError, WorkerKilledError
from bench.launch.limits import timeout_message
from bench.launch.transport import Exited
from datasets_registry import BenchError

_KILLED = (-9, 137)
"""Exit codes after SIGKILL, as Python and as shells and containers report them."""


def run_error(exited: Exited, *, timeout: float | None = None, losses: int = 0) -> BenchError:
    """The error of the run during which a worker exited.

    `timeout` is the time limit in seconds if the run exceeded it; `losses` is how often the run has lost its node.
    """
    if timeout is not None:
        return RunTimeoutError(f"{timeout_message(timeout)} {exited.log}")
    if losses:
        return WorkerDiedError(f"its node was lost {losses} times during this run.")
    return exited.error or WorkerDiedError(f"{exited.reason} during this run. {exited.log}")


def exit_error(code: int, log: str) -> BenchError:
    """The error of a run whose worker process exited with a code, which is negative for a signal."""
    if code in _KILLED:
        return WorkerKilledError(
            f"worker {describe_exit(code)} during this run. The usual reason is a lack of memory; if so, use fewer "
            f"--jobs. {log}"
        )
    return WorkerDiedError(f"worker {describe_exit(code)} during this run. {log}")


def describe_exit(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"died with signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"died with signal {-code}"


def log_tail(log: Path) -> str:
    """The last line of a log, or `(empty)`."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.is_file() else []
    return lines[-1] if lines else "(empty)"
