"""Runs a command beside processes that keep every core busy, and ends them by their ids afterwards.

    python tests/support/busy.py COMMAND ARGUMENT...

The exit code is that of the command.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

# ends by itself if it is left alone: its parent is another process then
LOOP = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    sum(range(1_000_000))\n"


def main(command: list[str]) -> int:
    """Run a command beside one busy process a core, which have all ended afterwards. Returns its exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    processes = [subprocess.Popen([sys.executable, "-S", "-c", LOOP]) for _ in range(os.cpu_count() or 1)]
    try:
        return subprocess.run(command, check=False).returncode
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
