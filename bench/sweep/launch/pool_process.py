"""A process that imports what every run needs while the sweep is planned, and then forks the workers of a pool.

So the workers share one import. The process computes nothing, since the threads of a computation do not survive a fork.
Only on Linux: macOS has system libraries that do not work after a fork, and Windows has no fork.
"""

import gc
import importlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from bench.errors import NoWorkerError
from bench.sweep.launch.tasks import FinishedTask, Task
from datasets_registry import BenchError

CAN_FORK = sys.platform == "linux"
_BOOT = (
    "import signal; [signal.signal(n, signal.SIG_IGN) for n in (signal.SIGINT, signal.SIGTERM)]; "
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from bench.sweep.launch.pool_process import main; main()"
)


class PoolProcess:
    """Starts the process in an environment; it first imports `modules`. A context manager."""

    def __init__(self, environment: Mapping[str, str], modules: Sequence[str]) -> None:
        self.made_for = dict(environment), tuple(modules)
        self._output = TemporaryFile()  # noqa: SIM115
        own_end, worker_end = socket.socketpair()
        search_path = [str(Path(folder).resolve()) for folder in sys.path]  # a worker must import the same packages
        arguments = [json.dumps(search_path), str(worker_end.fileno()), json.dumps(list(modules))]
        with worker_end:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _BOOT, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output,
                env=environment,
                pass_fds=[worker_end.fileno()],
            )
        self._link = Connection(own_end.detach())

    def __enter__(self) -> "PoolProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self._link.close()
        self._process.kill()  # and with it all workers
        self._process.wait()
        self._output.close()

    def run(
        self,
        tasks: Sequence[Task],
        *,
        on_finished: Callable[[FinishedTask, bool], None],
        on_notice: Callable[[str], None],
        interrupts: Callable[[], int],
        **fields: Any,
    ) -> int:
        """Run a `Pool` of these fields there; see `Pool.run`. Raises NoWorkerError if the process dies."""
        from bench.sweep.launch.worker_logs import describe_exit

        sent = 0
        with suppress(OSError):  # a dead process is detected by the end of what it says
            self._link.send((fields, tasks))
        while True:
            if interrupts() > sent:
                sent = interrupts()
                with suppress(OSError):
                    self._link.send(sent)
            if not self._link.poll(0.2):
                continue
            try:
                message = self._link.recv()
            except (EOFError, OSError):
                code = self._process.wait()
                self._output.seek(0)
                lines = self._output.read().decode(errors="replace").strip().splitlines()
                last = f" Its last line: {lines[-1]}" if lines else ""
                raise NoWorkerError(
                    f"The process that starts the workers {describe_exit(code)}.{last} Finished runs are stored, and "
                    "the same command resumes. --jobs 0 runs in one process and shows more."
                ) from None
            match message:
                case FinishedTask() as item, bool() as again:
                    on_finished(item, again)
                case str():
                    on_notice(message)
                case BenchError():
                    raise message
                case int():
                    return message


def main() -> None:
    """Import, wait for the order, carry it out."""
    from bench.sweep.launch.pool import Pool
    from bench.sweep.launch.worker import die_with_parent

    die_with_parent(os.getppid())
    link = Connection(int(sys.argv[2]))
    gc.disable()  # imports create hundreds of thousands of objects, none of which is garbage
    for module in json.loads(sys.argv[3]):
        with suppress(Exception):  # the pool imports the runner again and reports the error
            importlib.import_module(module)
    gc.freeze()  # so that no worker's garbage collection touches, and so copies, shared objects
    gc.enable()
    try:
        fields, tasks = link.recv()
        pressed = 0

        def interrupts() -> int:
            nonlocal pressed
            while link.poll():
                pressed = link.recv()
            return pressed

        def on_finished(item: FinishedTask, again: bool) -> None:
            link.send((item, again))

        try:
            pool = Pool(method="fork", **fields, on_finished=on_finished, on_notice=link.send, interrupts=interrupts)
            link.send(pool.run(tasks))
        except BenchError as error:
            link.send(error)
    except (EOFError, BrokenPipeError):  # the sweep has ended
        pass
    os._exit(0)
