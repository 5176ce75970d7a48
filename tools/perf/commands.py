"""Commands: their start-up beside the import of torch, and the overhead of a launcher per run."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tools.perf.table import Goal, Row

ROOT = Path(__file__).resolve().parents[2]
PATHS = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")])
START_UPS = {
    "start_methods": "methods",
    "start_card": "methods coop",
    "start_datasets": "datasets",
    "start_backbones": "backbones",
    "start_status": "status",
    "start_dry_run": "run --dry-run -m coop,apex -d spectrum_basic -b ViT-B-16.openai",
    "start_refused": "run -m copo -d spectrum_basic",
}
"""Commands by the name of their row."""
FEW, MANY = 20, 140
LAUNCHERS = {"local": 0.03, "ray": 0.06}
"""Goals in seconds for each run."""


class Use(NamedTuple):
    """What a process and its children used: seconds, CPU seconds, and the peak of the largest one in GB."""

    wall: float
    cpu: float
    gigabytes: float


_MEASURE = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
wall, used = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([done.returncode, done.stderr, wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e9]))
"""


def use(arguments: Sequence[str], place: Path = ROOT, *, may_fail: bool = False) -> Use:
    """What Python used with these arguments in a folder, with one thread. Raises RuntimeError if it fails.

    A small process starts it, since the peak of a process is at least that of the one that started it.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"PYTHONPATH": PATHS, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", _MEASURE, sys.executable, *arguments]
    done = subprocess.run(command, cwd=place, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    code, errors, *used = json.loads(done.stdout)
    if code and not may_fail:
        raise RuntimeError(f"{' '.join(arguments)} ended with {code}:\n{errors}")
    return Use(*used)


def start_up_row(name: str, turns: int = 3) -> Row:
    """CPU seconds of a command that computes nothing, and of `import torch`, in turns; the first stores bytecode."""
    command = START_UPS[name]
    with tempfile.TemporaryDirectory() as folder:
        measured = [
            (
                use(["-m", "bench", *shlex.split(command)], Path(folder), may_fail=True).cpu,
                use(["-c", "import torch"]).cpu,
            )
            for _ in range(turns + 1)
        ]
    ours, torch = (statistics.median(side) for side in zip(*measured[1:], strict=True))
    return Row(f"`etl-bench {command}`", Goal(at_most=0.5, seconds=0.7), ours, torch, against="`import torch`")


def launcher_row(name: str) -> Row:
    """Seconds per additional run that does nothing, from a difference that cancels start-up and shut-down."""
    work, goal = f"{name} launcher, for each run beyond start-up", Goal(seconds=LAUNCHERS[name])
    if name == "ray" and importlib.util.find_spec("ray") is None:
        return Row(work, goal, None, note="ray is not installed")
    few, many = (use(["-m", "tools.perf.commands", name, str(runs)]).wall for runs in (FEW, MANY))
    return Row(work, goal, (many - few) / (MANY - FEW))


def launch_runs(name: str, runs: int) -> None:
    """Launch runs that do nothing, with one worker."""
    from fake_runner import make_spec
    from launching import launch

    from bench.context import RunContext
    from bench.sweep.launch.tasks import RunTask, Surroundings

    with tempfile.TemporaryDirectory() as folder:
        surroundings = Surroundings(runs=Path(folder), context=RunContext(), runner="fake_runner")
        fields = {} if name == "local" else {"method": "ray", "address": "local"}
        summary = launch(surroundings, 1, [RunTask(make_spec(seed=seed)) for seed in range(runs)], **fields)
    assert (len(summary.finished), len(summary.failures)) == (runs, 0)


if __name__ == "__main__":
    launch_runs(sys.argv[1], int(sys.argv[2]))
