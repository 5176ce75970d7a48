"""CPU seconds of commands."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def cpu_seconds(command: Sequence[str], *, code: Path = ROOT, env: Mapping[str, str] | None = None) -> float:
    """User and system seconds of a Python command (`-m bench run ...`) and of all processes that it waited for.

    `code` is the checkout whose packages it imports. Raises RuntimeError with its output if it fails.
    """
    given = {"PYTHONPATH": os.pathsep.join([str(code), str(code / "tests" / "support")]), **(env or {})}
    with (
        subprocess.Popen(
            [sys.executable, *command],
            cwd=code,
            env=os.environ | given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process
    ):  # fmt: skip
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{output}")
    return used.ru_utime + used.ru_stime


def in_turns(sides: Sequence[Callable[[], float]], repeats: int = 3) -> list[float]:
    """The median of each side's seconds, measured in turns: A B A B A B."""
    seconds = [[side() for side in sides] for _ in range(repeats)]
    return [statistics.median(column) for column in zip(*seconds, strict=True)]
