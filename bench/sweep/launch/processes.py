"""Runs tasks in worker processes on this machine. If a worker dies, its run fails and the worker is replaced."""

import itertools
import json
import os
import queue
import subprocess
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bench.sweep.launch.fork_server import CAN_FORK, ForkedProcess, ForkServer, search_path
from bench.sweep.launch.task_executor import LOGS
from bench.sweep.launch.tasks import FinishedTask, Surroundings, Task, dump_task
from bench.sweep.launch.transport import Done, Event, Exited, Ready, Transport
from bench.sweep.launch.worker_limits import THREAD_VARIABLES, device_variables, kills_for_memory
from bench.sweep.launch.worker_logs import describe_exit, exit_error, log_tail

_BOOT = (
    "import sys, json, os; sys.path[:] = json.loads(sys.argv[1]); "
    "from bench.sweep.launch.process_worker import main; main(os.getppid())"
)


def worker_environment(threads: int, device: str = "cpu") -> dict[str, str]:
    """The environment of a worker. Of the thread variables, only the first overrides the user's value."""
    _, *others = THREAD_VARIABLES
    exported = {name: os.environ[name] for name in others if name in os.environ}
    return os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads)) | exported | device_variables(device)


@dataclass
class _Worker:
    process: subprocess.Popen[str] | ForkedProcess
    log: Path
    gpu: str | None = None
    ready: bool = False
    task: Task | None = None
    kills_before: int = 0

    @property
    def stdin(self) -> IO[str]:
        assert self.process.stdin is not None
        return self.process.stdin

    def send(self, line: str) -> None:
        """Write one line. A dead worker is detected by the end of its output, not here."""
        with suppress(OSError):
            self.stdin.write(line + "\n")
            self.stdin.flush()

    def end_input(self) -> None:
        """Close the worker's standard input, after which an idle worker exits."""
        with suppress(OSError):
            self.stdin.close()


class ProcessTransport(Transport):
    """`jobs` worker processes on this machine; `context.threads` is per worker.

    If the system can fork, all workers share one import of `modules`, by default the runner. `server` may have started
    this import; it is closed at the end. Workers are spread evenly over `gpus`, values of `CUDA_VISIBLE_DEVICES` with
    one GPU each.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        jobs: int,
        modules: Sequence[str] | None = None,
        server: ForkServer | None = None,
        gpus: Sequence[str] = (),
    ) -> None:
        self.surroundings = surroundings
        self.gpus = gpus
        self.jobs = jobs
        self.modules = (surroundings.runner,) if modules is None else tuple(modules)
        self._server = server
        self._tag = uuid.uuid4().hex[:8]
        self._numbers = itertools.count(1)
        self._workers: dict[int, _Worker] = {}
        self._lines: queue.SimpleQueue[tuple[int, str | None]] = queue.SimpleQueue()

    def __exit__(self, *_: object) -> None:
        if self._server is not None and not any(worker.ready for worker in self._workers.values()):
            self._server.kill()  # it may still be importing, and no worker has started a run
        for number in list(self._workers):
            self.kill([number])
            self.remove(number)
        if self._server is not None:
            self._server.close()

    @property
    def shares_memory(self) -> bool:  # type: ignore[override]
        return self.jobs > 1

    def capacity(self) -> int:
        return self.jobs

    def start(self) -> int:
        number = next(self._numbers)
        logs = self.surroundings.runs / LOGS
        logs.mkdir(parents=True, exist_ok=True)
        log = logs / f"worker-{self._tag}-{number}.log"
        with log.open("a", encoding="utf-8") as stderr:
            process = self._forked(number, stderr) if CAN_FORK else self._spawned(stderr)
        gpu = self._least_used_gpu()
        self._workers[number] = _Worker(process, log, gpu)
        threading.Thread(target=self._listen, args=(number, process.stdout), daemon=True).start()
        variables = {} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu}
        self._workers[number].send(self.surroundings.model_copy(update={"variables": variables}).model_dump_json())
        return number

    def prefers_heads(self, worker: int) -> bool | None:
        """On a GPU with several workers, the first prefers runs through a tower, and the others prefer heads."""
        gpu = self._workers[worker].gpu
        if self.jobs <= len(self.gpus) or gpu is None:
            return None
        return worker != min(number for number, other in self._workers.items() if other.gpu == gpu)

    def _least_used_gpu(self) -> str | None:
        used = Counter(worker.gpu for worker in self._workers.values())
        return min(self.gpus, key=lambda gpu: used[gpu], default=None)

    def _forked(self, number: int, stderr: IO[str]) -> ForkedProcess:
        needed = self._environment(), self.modules
        if self._server is not None and not (self._server.alive and self._server.made_for == needed):
            self._server.close()
            self._server = None
        self._server = self._server or ForkServer(*needed)
        return self._server.fork(number, stderr)

    def _spawned(self, stderr: IO[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-P", "-c", _BOOT, json.dumps(search_path())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            encoding="utf-8",
            env=self._environment(),
        )

    def _environment(self) -> dict[str, str]:
        context = self.surroundings.context
        return worker_environment(context.threads, context.device)

    def _listen(self, number: int, output: IO[str]) -> None:
        with output:
            for line in output:
                self._lines.put((number, line))
        self._lines.put((number, None))

    def submit(self, worker: int, task: Task) -> None:
        self._workers[worker].task = task
        self._workers[worker].kills_before = kills_for_memory()
        self._workers[worker].send(json.dumps(dump_task(task)))

    def poll(self, seconds: float) -> list[Event]:
        try:
            number, line = self._lines.get(timeout=seconds)
        except queue.Empty:
            return []
        worker = self._workers[number]
        if line is None:
            return [self._exited(number, worker)]
        message = json.loads(line)
        if message["kind"] == "ready":
            worker.ready = True
            return [Ready(number)]
        assert worker.task is not None
        finished, worker.task = FinishedTask.load(worker.task, message), None
        return [Done(number, finished, last=message["leaving"])]

    def _exited(self, number: int, worker: _Worker) -> Exited:
        code = worker.process.wait()
        if not worker.ready:
            if self._server is not None and not self._server.alive and self._server.output:
                worker.log.write_text(self._server.output, encoding="utf-8")
            return Exited(
                number,
                f"A worker could not start ({describe_exit(code)}). Last line of its log: {log_tail(worker.log)} "
                f"(full log: {worker.log}). --jobs 0 runs in this process and shows more.",
                started=False,
            )
        if worker.task is None:
            return Exited(number)
        log = f"Its output: {self.surroundings.runs / LOGS / f'{worker.task.key}.log'}"
        for_memory = kills_for_memory() > worker.kills_before
        error = exit_error(code, log, for_memory=for_memory)
        return Exited(number, f"A worker {describe_exit(code)}", error=error, log=log)

    def dismiss(self, worker: int) -> None:
        self._workers[worker].end_input()

    def kill(self, workers: Sequence[int]) -> None:
        for number in workers:
            self._workers[number].process.kill()

    def remove(self, worker: int) -> None:
        gone = self._workers.pop(worker)
        gone.process.wait()
        gone.end_input()
        with suppress(FileNotFoundError):  # of a runs folder that was removed
            if gone.log.stat().st_size == 0:
                gone.log.unlink()
