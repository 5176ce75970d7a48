"""The interface of launchers: workers that take tasks, and events that report about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from bench.sweep.launch.tasks import FinishedTask, Surroundings, Task
from datasets_registry import BenchError


@dataclass(frozen=True)
class Ready:
    """A worker has started and can take tasks."""

    worker: int


@dataclass(frozen=True)
class Done:
    """A worker finished a task, and its shard is on disk. With `last`, the worker exits and takes no further task."""

    worker: int
    finished: FinishedTask
    last: bool = False


@dataclass(frozen=True)
class Exited:
    """A worker ended, expectedly or not, perhaps during a task.

    Args:
        reason: reason in words, such as "A worker died with signal 9 (SIGKILL)".
        started: whether it could take tasks at all. If not, `reason` is a complete message.
        log: a sentence about where the task's output is.
        node_lost: whether the machine was lost, so that the task is not the cause.
    """

    worker: int
    reason: str = ""
    started: bool = True
    error: BenchError | None = None
    log: str = ""
    node_lost: bool = False


@dataclass(frozen=True)
class Notice:
    """One line for the user."""

    text: str


Event = Ready | Done | Exited | Notice


class Transport(Protocol):
    """Starts workers, sends them tasks and reports events. A context manager, entered once per sweep.

    The supervisor (`supervisor.py`) does everything else: it assigns tasks, stops on Ctrl-C, enforces time
    limits, records the failure of a run whose worker died, and retries. Implementations inherit from this class for its
    defaults.
    """

    surroundings: Surroundings
    start_attempts: int = 1
    """Number of consecutive workers that may fail to start before no more are started."""
    enforce_timeout: bool = True
    """Whether the supervisor kills a worker that exceeds the time limit."""
    in_process: bool = False
    """Whether tasks run in this process, so that a second Ctrl-C must interrupt the code of the run."""
    shares_memory: bool = False
    """Whether its workers share the memory of this machine or of a GPU, so that a run may fit alone."""

    def __enter__(self) -> Self:
        """Connect; raises LaunchError if that is not possible."""
        return self

    def __exit__(self, *_: object) -> None:
        """Release everything. Workers that still run are killed if they depend on this process."""
        return

    def capacity(self) -> int:
        """The number of workers that may exist now."""

    def start(self) -> int:
        """Start a worker and return its number. `Ready` or `Exited` follows."""

    def prefers_heads(self, worker: int) -> bool | None:  # noqa: ARG002
        """Whether a worker prefers runs on stored features to runs through a tower; None for no preference."""
        return None

    def submit(self, worker: int, task: Task) -> None:
        """Send a task to a worker that is ready or has finished its last task."""

    def poll(self, seconds: float) -> list[Event]:
        """The events since the last call; waits up to `seconds` for one."""

    def dismiss(self, worker: int) -> None:
        """Let a worker without tasks exit. `Exited` follows."""

    def kill(self, workers: Sequence[int]) -> None:
        """Kill workers, even during a run. `Exited` follows."""

    def remove(self, worker: int) -> None:  # noqa: ARG002
        """Free the resources of a worker that has exited, after its task was recorded."""
        return
