"""A worker process: reads tasks as JSON lines, runs them one by one and writes their shards.

Input: the surroundings, then tasks, one JSON document per line. At the end of input the parent is done or dead, and the
worker exits at once, even during a run; shards are not affected. Output: `ready`, then `finished` for each task; with
`leaving` it is the last task of this process.
"""

import ctypes
import faulthandler
import json
import os
import queue
import signal
import sys
import threading
from typing import IO, NoReturn

from bench.sweep.launch.task_executor import TaskExecutor
from bench.sweep.launch.tasks import Surroundings, parse_task
from bench.sweep.launch.worker_limits import limit_memory

_PR_SET_PDEATHSIG = 1
ORPHANED = 3
"""Exit code of a worker whose parent ended during a run."""


def main(parent: int) -> NoReturn:
    """Run the tasks from standard input until it ends, and exit; `parent` is the number of the parent process."""
    _run_tasks(parent)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)  # an orderly shutdown of the libraries would take a third of the time of their import


def _run_tasks(parent: int) -> None:
    die_with_parent(parent)
    for number in (signal.SIGINT, signal.SIGTERM):  # they may reach the whole process group; the parent handles them
        signal.signal(number, signal.SIG_IGN)
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")  # the pipe to the parent, for messages only
    os.dup2(2, 1)  # all other output goes to standard error
    faulthandler.enable()
    tasks: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    first = sys.stdin.readline()
    if not first:
        return
    surroundings = Surroundings.model_validate_json(first)
    os.environ.update(surroundings.variables)
    busy = threading.Event()
    threading.Thread(target=_listen, args=(tasks, busy), daemon=True).start()
    executor = TaskExecutor(surroundings, own_process=True)
    limit_memory(surroundings.limits)
    with executor:
        _write(output, {"kind": "ready"})
        while (line := tasks.get()) is not None:
            done = executor.run(parse_task(json.loads(line)))
            busy.clear()
            _write(output, {"kind": "finished", "leaving": done.memory, **done.dump()})
            if done.memory:  # frees the memory that is still in use
                return


def _listen(tasks: queue.SimpleQueue[str | None], busy: threading.Event) -> None:
    for line in sys.stdin:
        busy.set()
        tasks.put(line)
    if busy.is_set():
        os._exit(ORPHANED)
    tasks.put(None)


def die_with_parent(parent: int) -> None:
    """Let Linux kill this process when its parent ends.

    The end of input has the same effect on every system, but only once the run returns to Python.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before the request
            os._exit(ORPHANED)


def _write(output: IO[str], message: dict[str, object]) -> None:
    try:
        output.write(json.dumps(message) + "\n")
        output.flush()
    except BrokenPipeError:  # the parent has ended
        os._exit(ORPHANED)
