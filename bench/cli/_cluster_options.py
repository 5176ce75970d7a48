"""The options of `run` that speak of clusters, and how their texts become values."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

RAY, SLURM = "Ray", "Slurm"
HOURS = "4:00:00"
"""Time of a Slurm job where none is given."""

Name = Annotated[
    str,
    typer.Option("--launcher", help="local (processes here), inline (this process), ray or slurm: docs/clusters.md."),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        envvar="RAY_ADDRESS",
        help="auto (the cluster of this machine), local (a new one here), ray://HOST:PORT or HOST:PORT. Default: auto.",
        rich_help_panel=RAY,
    ),
]
CpusPerRun = Annotated[
    int | None, typer.Option("--cpus-per-run", min=1, help="Cores, and threads, of a run.", rich_help_panel=RAY)
]
GpusPerRun = Annotated[
    float | None,
    typer.Option("--gpus-per-run", min=0, help="GPUs of a run; 0.5 lets two share one.", rich_help_panel=RAY),
]
RayEnv = Annotated[
    Path | None,
    typer.Option("--ray-env", help="YAML file: Ray's runtime environment of the workers.", rich_help_panel=RAY),
]
Partition = Annotated[str | None, typer.Option("--partition", help="Where jobs go.", rich_help_panel=SLURM)]
Time = Annotated[
    str | None,
    typer.Option("--time", help=f"Time of a job, then it is queued again. Default: {HOURS}.", rich_help_panel=SLURM),
]
Gpus = Annotated[int | None, typer.Option("--gpus", min=0, help="GPUs of a job.", rich_help_panel=SLURM)]
Cpus = Annotated[int | None, typer.Option("--cpus", min=1, help="Cores, and threads, of a job.", rich_help_panel=SLURM)]
Memory = Annotated[str | None, typer.Option("--mem", help="Memory of a job, such as 16G.", rich_help_panel=SLURM)]
SlurmSet = Annotated[
    list[str],
    typer.Option("--slurm-set", help="Any other option of sbatch, as key=value. Repeatable.", rich_help_panel=SLURM),
]
RunsPerJob = Annotated[
    int | None, typer.Option("--runs-per-job", min=1, help="Runs of a job. Default: 20.", rich_help_panel=SLURM)
]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Submit and return.", rich_help_panel=SLURM)]


def parse_slurm_set(texts: Sequence[str]) -> dict[str, str | bool]:
    """Options of sbatch by long name; raises UsageError for what is none, or has an option of its own here."""
    from bench.errors import UsageError

    own = {"partition": "--partition", "time": "--time", "mem": "--mem", "cpus-per-task": "--cpus", "array": "--jobs"}
    found: dict[str, str | bool] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        key = key.strip().lstrip("-").replace("_", "-")
        if not re.fullmatch(r"[a-z][a-z-]*", key) or "\n" in value:
            raise UsageError(f"--slurm-set {text!r} is no key=value with the long name of an sbatch option.")
        if key in own:
            raise UsageError(f"--slurm-set {text!r}: use {own[key]} for that.")
        found[key] = value if equals else True
    return found


def minutes(text: str, option: str) -> int:
    """A span of time in Slurm's notation as whole minutes, rounded up.

    Args:
        text: `MINUTES`, `MM:SS`, `HH:MM:SS`, `D-HH`, `D-HH:MM` or `D-HH:MM:SS`.
        option: for the message.

    Raises:
        UsageError: anything else, or no time at all.
    """
    from bench.errors import UsageError

    match = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", text.strip())
    parts = [int(part or 0) for part in match.groups()] if match else [0]
    if match is None or not any(parts):
        raise UsageError(f"{option} {text!r} is no span of time; write minutes, HH:MM:SS or DAYS-HH:MM:SS.")
    days, first, second, third = parts
    if match.group(1) is not None:
        seconds = ((days * 24 + first) * 60 + second) * 60 + third
    elif match.group(4) is not None:
        seconds = (first * 60 + second) * 60 + third
    else:
        seconds = first * 60 + second
    return math.ceil(seconds / 60)
