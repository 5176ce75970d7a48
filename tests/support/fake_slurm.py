"""Slurm's `sbatch` as a script that runs an array here, each task as a process of its own."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

_SBATCH = """#!{python}
import os, subprocess, sys
folder, script = {folder!r}, sys.argv[-1]
options = dict(
    line.split()[1].lstrip("-").split("=", 1) for line in open(script) if line.startswith("#SBATCH") and "=" in line
)
number = 7 + len({{entry.split("-")[1] for entry in os.listdir(folder) if entry.startswith("task-")}})
for index in range(int(options["array"].split("-")[1]) + 1):
    log = open(options["output"].replace("%a", str(index)), "ab")
    job = subprocess.Popen(["bash", script], stdout=log, stderr=log, start_new_session=True)
    open(os.path.join(folder, f"task-{{number}}-{{index}}"), "w").write(str(job.pid))
print(f"{{number}};cluster")
"""


class FakeSlurm:
    """`sbatch` on the PATH. No job ever waits."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        places = folder / "bin"
        places.mkdir(parents=True)
        (places / "sbatch").write_text(_SBATCH.format(python=sys.executable, folder=str(folder)))
        (places / "sbatch").chmod(0o755)
        monkeypatch.setenv("PATH", f"{places}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))

    @property
    def submitted(self) -> int:
        """The number of arrays."""
        return len({file.name.split("-")[1] for file in self.folder.glob("task-*")})

    def pids(self) -> list[int]:
        """The processes of all tasks, each the leader of its group."""
        return [int(file.read_text()) for file in sorted(self.folder.glob("task-*"))]

    def close(self) -> None:
        """Wait until every task has ended, and end those that do not."""
        for pid in self.pids():
            for _ in range(300):
                if not _running(pid):
                    break
                time.sleep(0.1)
            else:
                os.killpg(pid, 9)


def _running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
