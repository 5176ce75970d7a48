"""Slurm's commands as scripts that run a submitted array here, each task as a process of its own."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

_COMMAND = """#!{python}
import os, signal, subprocess, sys
name, folder, arguments = os.path.basename(sys.argv[0]), {folder!r}, sys.argv[1:]
tasks = sorted(entry for entry in os.listdir(folder) if entry.startswith("task-"))

def pid_of(task):
    return int(open(os.path.join(folder, task)).read())

def runs(task):
    try:
        with open(f"/proc/{{pid_of(task)}}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False

def note():
    open(os.path.join(folder, "calls"), "a").write(" ".join([name, *arguments]) + "\\n")

silent = os.path.exists(os.path.join(folder, "silent"))
if silent or name != "scancel":
    note()
if silent:
    sys.exit(1)
if name == "sbatch":
    script = arguments[-1]
    options = dict(
        line.split()[1].lstrip("-").split("=", 1) for line in open(script) if line.startswith("#SBATCH") and "=" in line
    )
    number = str(7 + len({{task.split("-")[1] for task in tasks}}))
    for index in range(int(options["array"].split("-")[1]) + 1):
        variables = {{"SLURM_ARRAY_JOB_ID": number, "SLURM_ARRAY_TASK_ID": str(index), "SLURM_JOB_ID": str(80 + index)}}
        log = open(options["output"].replace("%a", str(index)), "ab")
        job = subprocess.Popen(
            ["bash", script], env=os.environ | variables, stdout=log, stderr=log, start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
        )
        open(os.path.join(folder, f"task-{{number}}-{{index}}"), "w").write(str(job.pid))
    print(number + ";cluster")
elif name == "squeue":
    print("\\n".join(task.split("-")[1] for task in tasks if runs(task)))
elif name == "scancel" and "--state=PENDING" not in arguments:
    for task in tasks:
        if task.split("-")[1] in arguments and runs(task):
            if "--signal=INT" in arguments:
                os.kill(pid_of(task), signal.SIGINT)
            else:
                os.killpg(pid_of(task), signal.SIGKILL)
if name == "scancel":
    note()  # after the signals, so that who sees the call knows that they were sent
"""


class FakeSlurm:
    """The commands on the PATH. No job ever waits. While a file `silent` exists, every command fails."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        places = folder / "bin"
        places.mkdir(parents=True)
        for name in ("sbatch", "squeue", "scontrol", "scancel"):
            (places / name).write_text(_COMMAND.format(python=sys.executable, folder=str(folder)))
            (places / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{places}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))

    def calls(self, name: str) -> list[str]:
        """The arguments of each call of a command so far."""
        file = self.folder / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        return [line.removeprefix(f"{name} ") for line in lines if line.startswith(f"{name} ")]

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
