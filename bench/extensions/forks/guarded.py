"""Runs programs of others so that they end with the harness, and so that their output stays below a limit."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources


@dataclass(frozen=True)
class Program:
    """A program of others.

    Args:
        cwd: the folder that it starts in.
        env: its whole environment.
        log: file to which the first and last 4 MiB of its output are appended; None to drop the output.
        seconds: after which it is ended; None for no limit.
        processes: with more of which it is ended; None for no limit. Counted on Linux.
        file_size: the most bytes of a file that it writes; None for no limit. Without effect on Windows.
    """

    command: Sequence[str]
    cwd: str
    env: Mapping[str, str]
    log: str | None = None
    seconds: float | None = None
    processes: int | None = None
    file_size: int | None = None


def run_guarded(programs: Sequence[Program], seconds: float | None = None) -> list[int | str | None]:
    """Run programs one after the other, and end all processes that they leave.

    Args:
        seconds: the most for all of them together; None for no limit.

    Returns:
        For each, its exit code, negative for a signal; None if its turn came too late; a text if it cannot be started.
    """
    job = json.dumps({"programs": [asdict(one) for one in programs], "seconds": seconds})
    with resources.as_file(resources.files(__package__).joinpath("foreign", "guard.py")) as file:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-W", "ignore", str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, encoding="utf-8",
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(f"{job}\n")
            process.stdin.flush()
            answer = process.stdout.read()
        finally:
            process.stdin.close()  # which ends the programs, if they still run
            process.stdout.close()
            process.wait()
    if not answer:
        return [-9] * len(programs)  # someone has ended the guard, and with it the programs
    found: list[int | str | None] = json.loads(answer)
    return found
