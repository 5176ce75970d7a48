"""A worker process: reads tasks as JSON lines, runs them one by one and writes their shards itself.

The conversation, one JSON document a line. In: the surroundings, then tasks; the end of input means the parent is done
or dead, and the worker leaves at once, in the middle of a run if need be, since shards survive that. Out: `ready`,
then one `finished` per task; one that says `leaving` is the last of this process.
"""

from __future__ import annotations

import ctypes
import faulthandler
import json
import os
import queue
import signal
import sys
import threading
from typing import IO

from bench.launch.limits import limit_memory
from bench.launch.protocol import Surroundings, load_runner
from bench.launch.protocol import load_task as _load_task
from bench.launch.task_executor import TaskExecutor

_PR_SET_PDEATHSIG = 1
ORPHANED = 3
"""Exit code of a worker whose parent went away during a run."""


def main() -> None:
    """Serve tasks from standard input until it ends."""
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what it means
    answers = _private_stdout()
    faulthandler.enable()
    tasks: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    first = sys.stdin.readline()
    if not first:
        return
    surroundings = Surroundings.model_validate_json(first)
    busy = threading.Event()
    threading.Thread(target=_listen, args=(tasks, busy), daemon=True).start()
    runner = load_runner(surroundings.runner)
    limit_memory(surroundings.limits)
    with TaskExecutor(surroundings, runner, own_process=True) as executor:
        _say(answers, {"kind": "ready"})
        while (line := tasks.get()) is not None:
            done = executor.run(_load_task(json.loads(line)))
            busy.clear()
            _say(answers, {"kind": "finished", "leaving": done.memory, **done.dump()})
            if done.memory:  # whatever fills this process's memory goes with it
                return


def _listen(tasks: queue.SimpleQueue[str | None], busy: threading.Event) -> None:
    for line in sys.stdin:
        busy.set()
        tasks.put(line)
    if busy.is_set():
        os._exit(ORPHANED)
    tasks.put(None)


def _die_with_parent() -> None:
    """Ask Linux to kill this process when its parent is gone.

    The end of input says the same on every system, but a run that never returns to Python does not hear it.
    """
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it went before it was asked
            os._exit(ORPHANED)


def _private_stdout() -> IO[str]:
    """Keep the pipe to the parent for answers alone: whatever else prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _say(answers: IO[str], message: dict[str, object]) -> None:
    try:
        answers.write(json.dumps(message) + "\n")
        answers.flush()
    except BrokenPipeError:  # the parent is gone; the end of input follows
        os._exit(ORPHANED)


if __name__ == "__main__":
    main()
