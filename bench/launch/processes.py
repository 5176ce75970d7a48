"""Runs tasks in worker processes on this machine; a worker that dies costs one run and is replaced."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from bench._util.interrupts import counted_interrupts
from bench.errors import LaunchError
from bench.launch.affinity_queue import AffinityQueue
from bench.launch.execute import failed_result, store_result
from bench.launch.limits import GRACE
from bench.launch.protocol import FinishedTask, LaunchSummary, Outcome, Surroundings, Task, dump_task, load_runner
from bench.launch.task_executor import LOGS
from bench.launch.worker_exit import describe_exit, exit_error

# A child must see the very packages that this process sees, installed or not, so it gets this process's search path.
_BOOT = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from bench.launch.process_worker import main; main()"
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class _Message:
    """Something that happened: a worker spoke, a worker's output ended (`text` is None), or Ctrl-C (`worker` < 0)."""

    worker: int
    text: str | None


@dataclass
class _Worker:
    """One live process and the task it has."""

    number: int
    process: subprocess.Popen[str]
    log: Path
    ready: bool = False
    task: Task | None = None
    since: float = 0.0

    @property
    def pipe(self) -> IO[str]:
        assert self.process.stdin is not None
        return self.process.stdin

    def send(self, message: dict[str, object]) -> None:
        """Write one line; a dead worker is noticed by the end of its output, not here."""
        with suppress(BrokenPipeError):
            self.pipe.write(json.dumps(message) + "\n")
            self.pipe.flush()

    def dismiss(self) -> None:
        """Tell an idle worker that there is nothing more."""
        with suppress(BrokenPipeError):
            self.pipe.close()


@dataclass
class LocalLauncher:
    """A launcher with `jobs` worker processes.

    Args:
        surroundings: runs folder, context and runner of every worker; `context.threads` is per worker.
        jobs: number of processes.
        on_notice: told in one line about Ctrl-C and about workers that died.
    """

    surroundings: Surroundings
    jobs: int
    on_notice: Callable[[str], None] = lambda _text: None
    _tag: str = field(default_factory=lambda: uuid.uuid4().hex[:8], init=False)
    _messages: queue.SimpleQueue[_Message] = field(default_factory=queue.SimpleQueue, init=False)

    def launch(self, tasks: Sequence[Task], *, on_finished: Callable[[FinishedTask], None]) -> LaunchSummary:
        """Run all tasks in the workers.

        The first Ctrl-C lets current runs finish; the second kills them, and they count as not done.

        Raises:
            LaunchError: a worker ended before it could take a task.
        """
        sweep = _Sweep(self, AffinityQueue(tasks), on_finished)
        with counted_interrupts(lambda _count: self._messages.put(_Message(-1, None))):
            try:
                sweep.run()
            finally:
                sweep.close()
        return LaunchSummary(tuple(sweep.finished), sweep.interrupts > 0)

    def start_worker(self, number: int) -> _Worker:
        """A new process that was told its surroundings."""
        logs = self.surroundings.runs / LOGS
        logs.mkdir(parents=True, exist_ok=True)
        log = logs / f"worker-{self._tag}-{number}.log"
        path = [str(Path(place).resolve()) for place in sys.path]
        threads = str(self.surroundings.context.threads)
        with log.open("a", encoding="utf-8") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-c", _BOOT, json.dumps(path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                encoding="utf-8",
                env=os.environ | dict.fromkeys(_THREAD_VARIABLES, threads),
            )
        worker = _Worker(number, process, log)
        threading.Thread(target=self._listen, args=(number, process.stdout), daemon=True).start()
        worker.send(self.surroundings.model_dump(mode="json"))
        return worker

    def next_message(self, seconds: float | None) -> _Message | None:
        """Wait for something to happen, at most so long. Ctrl-C is delivered while waiting."""
        try:
            return self._messages.get(timeout=seconds)
        except queue.Empty:
            return None

    def _listen(self, number: int, output: IO[str]) -> None:
        with output:
            for line in output:
                self._messages.put(_Message(number, line))
        self._messages.put(_Message(number, None))


class _Sweep:
    """The state of one `launch`: who does what, what is done, and whether to stop."""

    def __init__(
        self, launcher: LocalLauncher, waiting: AffinityQueue, on_finished: Callable[[FinishedTask], None]
    ) -> None:
        self.launcher = launcher
        self.waiting = waiting
        self.on_finished = on_finished
        self.finished: list[FinishedTask] = []
        self.interrupts = 0
        self.unwritten = False
        self.workers: dict[int, _Worker] = {}
        self.started = 0

    def run(self) -> None:
        for _ in range(min(self.launcher.jobs, len(self.waiting))):
            self._hire()
        while self.workers:
            message = self.launcher.next_message(self._patience())
            if message is None:
                self._kill_the_late()
            elif message.worker < 0:
                self._interrupt()
                if self.interrupts > 1:
                    return
            elif message.text is None:
                self._bury(self.workers.pop(message.worker))
            else:
                self._hear(self.workers[message.worker], json.loads(message.text))

    def close(self) -> None:
        """End whatever still runs (after a second Ctrl-C, or when something raised here)."""
        for worker in self.workers.values():
            worker.process.kill()
            worker.process.wait()
            worker.dismiss()
        self.workers.clear()

    def _hire(self) -> None:
        self.started += 1
        self.workers[self.started] = self.launcher.start_worker(self.started)

    def _interrupt(self) -> None:
        self.interrupts += 1
        if self.interrupts == 1:
            running = [worker for worker in self.workers.values() if worker.task is not None]
            self.launcher.on_notice(f"Stopping after the {len(running)} current runs; Ctrl-C again to stop at once.")
            for worker in self.workers.values():
                if worker.task is None:
                    worker.dismiss()

    def _hear(self, worker: _Worker, answer: dict[str, object]) -> None:
        if answer["kind"] == "finished":
            assert worker.task is not None
            self._report(FinishedTask.load(worker.task, answer))
            worker.task = None
            if answer["leaving"]:
                return
        worker.ready = True
        task = None if self.stopping else self.waiting.take(worker.number)
        if task is None:
            worker.dismiss()
            return
        worker.task, worker.since = task, time.monotonic()
        worker.send(dump_task(task))

    @property
    def stopping(self) -> bool:
        """Whether nothing more is handed out."""
        return self.interrupts > 0 or self.unwritten

    def _patience(self) -> float | None:
        """Seconds until some worker should have ended itself, because its run took too long."""
        limit = self.launcher.surroundings.limits.seconds
        since = [worker.since for worker in self.workers.values() if worker.task is not None]
        if limit is None or not since:
            return None
        return max(min(since) + limit + GRACE - time.monotonic(), 0.05)

    def _kill_the_late(self) -> None:
        """Kill workers that cannot even end themselves; they are buried like any other."""
        limit = self.launcher.surroundings.limits.seconds
        for worker in self.workers.values():
            if limit is not None and worker.task is not None and time.monotonic() > worker.since + limit + GRACE:
                worker.process.kill()

    def _bury(self, worker: _Worker) -> None:
        code = worker.process.wait()
        worker.dismiss()
        self.waiting.remove_worker(worker.number)
        if worker.task is not None:
            self._blame(worker, worker.task, code)
        elif not worker.ready and not self.interrupts:
            self._lose(worker, code)
            return
        elif worker.log.stat().st_size == 0:
            worker.log.unlink()
        if len(self.waiting) and not self.stopping:
            self._hire()

    def _blame(self, worker: _Worker, task: Task, code: int) -> None:
        """Record the failure of the run in the middle of which a worker ended."""
        surroundings = self.launcher.surroundings
        seconds = time.monotonic() - worker.since
        log = surroundings.runs / LOGS / f"{task.key}.log"
        error = exit_error(code, seconds=seconds, limits=surroundings.limits, log=log)
        self.launcher.on_notice(f"A worker {describe_exit(code)} during {task.label}.")
        runner = load_runner(surroundings.runner)
        died = failed_result(task, error, runner, surroundings.context, seconds=seconds)
        self._report(store_result(died, runner, surroundings))

    def _lose(self, worker: _Worker, code: int) -> None:
        """A worker that never started is not replaced; without any worker left the sweep cannot go on."""
        problem = (
            f"A worker could not start ({describe_exit(code)}). Its last words: {_tail(worker.log)} "
            f"(all of them: {worker.log}). --jobs 0 runs in this process and shows more."
        )
        if not self.workers and len(self.waiting):
            raise LaunchError(problem)
        self.launcher.on_notice(problem)

    def _report(self, item: FinishedTask) -> None:
        self.finished.append(item)
        self.unwritten = self.unwritten or item.outcome is Outcome.UNWRITTEN
        self.on_finished(item)


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "none"
