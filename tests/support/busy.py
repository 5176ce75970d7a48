"""Runs a command beside processes that keep every core busy, and ends them by their ids afterwards.

    python tests/support/busy.py COMMAND ARGUMENT...

The exit code is that of the command.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# ends by itself if it is left alone: its parent is another process then
LOOP = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    sum(range(1_000_000))\n"


@contextmanager
def busy_cores(count: int | None = None) -> Iterator[list[int]]:
    """Starts one busy process a core, or `count`; gives their ids. All have ended after the block."""
    processes = [subprocess.Popen([sys.executable, "-S", "-c", LOOP]) for _ in range(count or os.cpu_count() or 1)]
    try:
        yield [process.pid for process in processes]
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


def main(command: list[str]) -> int:
    """Run a command beside busy processes. Returns its exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with busy_cores():
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
