"""Start-up of commands that compute nothing, beside the import of torch that they do without."""

from __future__ import annotations

import os
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile

from _table import Goal, Row

COMMANDS = {
    "start_methods": "methods",
    "start_card": "methods coop",
    "start_datasets": "datasets",
    "start_backbones": "backbones",
    "start_status": "status",
    "start_dry_run": "run --dry-run -m coop,apex -d spectrum_basic -b ViT-B-16.openai",
    "start_refused": "run -m copo -d spectrum_basic",
}
"""Commands by the name of their row."""
TURNS = 3


def start_up_row(name: str) -> Row:
    """Processor seconds of one command in a process of its own, and of `import torch`, measured in turns.

    A first run, which is not measured, stores the bytecode, as torch's is stored.
    """
    command, ours, torch = COMMANDS[name], [], []
    with tempfile.TemporaryDirectory() as folder:
        _processor_seconds(["-m", "bench", *shlex.split(command)], folder)
        for _ in range(TURNS):
            ours.append(_processor_seconds(["-m", "bench", *shlex.split(command)], folder))
            torch.append(_processor_seconds(["-c", "import torch"], folder))
    return Row(
        f"`etl-bench {command}`", Goal(at_most=0.5, seconds=0.7), statistics.median(ours), statistics.median(torch),
        against="`import torch`",
    )  # fmt: skip


def _processor_seconds(arguments: list[str], folder: str) -> float:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
