"""Options that several commands share, and how their texts become values. The only place that reads the environment."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

import typer

DEMO_BACKBONE = "ViT-demo.drawn"
DEFAULT_RUNS = Path("runs")
PATTERNS = "Names or shell-style patterns, comma-separated or repeated; 'all' selects everything."
EnumT = TypeVar("EnumT", bound=StrEnum)

Methods = Annotated[list[str], typer.Option("-m", "--methods", help=f"Methods to run. {PATTERNS}")]
Datasets = Annotated[list[str], typer.Option("-d", "--datasets", help=f"Datasets. {PATTERNS}")]
Backbones = Annotated[
    list[str],
    typer.Option("-b", "--backbones", help="Backbones as arch.tag, or ARCH=FILE[,quickgelu|,gelu] for local weights."),
]
Protocol = Annotated[
    str, typer.Option("--protocol", help="base-to-new, few-shot, cross-dataset or domain-generalization.")
]
Targets = Annotated[
    list[str],
    typer.Option(
        "--targets",
        help=f"Datasets to score on, for cross-dataset and domain-generalization; -d is the source then. {PATTERNS}",
    ),
]
Shots = Annotated[str, typer.Option("--shots", help="Images a class: one number or several, such as 1,2,4,8,16.")]
Seeds = Annotated[
    str,
    typer.Option("--seeds", help="A number N means the seeds 1 to N; lists 1,2,3 and ranges 4-6 too; '7,' is seed 7."),
]
Draw = Annotated[str, typer.Option("--draw", help="coop (CoOp's images), nested (1 in 2 in 4 ...) or file:PATH.")]
ClassText = Annotated[
    str,
    typer.Option(
        "--class-text",
        help="Frozen class texts: template (the dataset's), template:TEXT with {}, variant:NAME (a paper's), "
        "ensemble:select7|imagenet80|generic60, or descriptions:FILE.json.",
    ),
]
Supports = Annotated[
    list[Path],
    typer.Option(
        "--support",
        help="Support list in place of a draw: from `datasets draw`, or JSON lines of path and label. Repeatable.",
    ),
]
Selection = Annotated[
    str | None,
    typer.Option(
        "--selection",
        help="What decides about hyper-parameters or the epoch: last, fixed, validation (the few validation images), "
        "ensemble (all candidates averaged) or oracle (test labels, marked so). Default: each method's own.",
    ),
]
Overrides = Annotated[
    list[str],
    typer.Option("--set", help="method.key=value or method.recipe.key=value; the method may be a pattern. Repeatable."),
]
RecipeName = Annotated[str, typer.Option("--recipe", help="published settings, or the demo's short ones.")]
DataRoot = Annotated[
    Path | None,
    typer.Option("--data-root", envvar="ETL_BENCH_DATA", help="Folder that holds the datasets; drawn ones need none."),
]
Runs = Annotated[Path, typer.Option("--runs", help="Folder of the runs and their database.")]
Cache = Annotated[
    Path | None,
    typer.Option("--cache", envvar="ETL_BENCH_CACHE", help="Folder of frozen features. Default: a user cache folder."),
]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", min=0, help="Worker processes; 0 runs in this one. Default: one per core, one on a GPU."),
]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda or cuda:N.")]
PrecisionName = Annotated[
    str,
    typer.Option("--precision", help="Arithmetic of the frozen towers: fp32, bf16, or fp16 for stored features."),
]
Easy = Annotated[
    list[str],
    typer.Option("--easy", help="Datasets that count as easy, with --hard. Default: thirds by difficulty."),
]
Hard = Annotated[list[str], typer.Option("--hard", help="Datasets that count as hard.")]
Rerun = Annotated[
    str,
    typer.Option(
        "--rerun",
        help="What runs again: missing (only what has no answer), failed (also what failed), stale (also what was made "
        "with other code, weights or data), all.",
    ),
]
Retries = Annotated[
    int,
    typer.Option(
        "--retries",
        min=0,
        help="How often a run that failed is tried again at the end of the sweep. One that ran out of memory is tried "
        "with smaller evaluation batches anyway.",
    ),
]
Timeout = Annotated[
    float | None, typer.Option("--timeout", min=0.1, help="Seconds that a run may take; then it is stopped and failed.")
]
Memory = Annotated[
    float | None,
    typer.Option("--memory", min=0.1, help="GiB of memory of a worker process; beyond, allocating fails (Linux)."),
]
Log = Annotated[
    str,
    typer.Option("--log", help="How progress is told: auto (live on a terminal, lines elsewhere), live, plain, json."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
RunnerName = Annotated[str, typer.Option("--runner", hidden=True, help="Module that runs one spec.")]


def split_list(texts: Sequence[str]) -> list[str]:
    """Comma-separated texts as one list.

    A part that only goes on with the one before stays with it: options of a dial (`name:a=1,b=2`) and the activation
    of local weights (`ARCH=FILE,quickgelu`).
    """
    found: list[str] = []
    for text in texts:
        whole = ""
        for part in (part.strip() for part in text.split(",")):
            option_of_dial = ":" in whole and "=" in part and ":" not in part
            if whole and (option_of_dial or part in {"quickgelu", "gelu"}):
                whole = f"{whole},{part}"
                continue
            found += [whole] if whole else []
            whole = part
        found += [whole] if whole else []
    return found


def parse_numbers(text: str, option: str, *, lone_is_count: bool = False) -> list[int]:
    """Numbers and ranges; `lone_is_count` reads a single number N as 1 to N.

    Raises:
        UsageError: anything else.
    """
    from bench.errors import UsageError  # not above: it would load the dataset catalogue for --help

    wrong = UsageError(f"{option} {text!r} is not a list of whole numbers; write 16, 1,2,4 or 1-3.")
    if lone_is_count and text.strip().isdecimal():
        if int(text) < 1:
            raise UsageError(
                f"{option} {text!r} means no seed at all; write a count of at least 1, or '0,' for seed 0."
            )
        return list(range(1, int(text) + 1))
    found: list[int] = []
    for part in (part.strip() for part in text.split(",")):
        first, dash, last = part.partition("-")
        if not part:
            continue
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise wrong
        found += range(int(first), int(last) + 1) if dash else [int(first)]
    if not found:
        raise wrong
    return found


def parse_choice(kind: type[EnumT], text: str, option: str) -> EnumT:
    """One value of an enumeration; raises UsageError with near misses and all values."""
    from bench.errors import UsageError

    values = [str(item) for item in kind]
    if text in values:
        return kind(text)
    close = difflib.get_close_matches(text, values, n=1, cutoff=0.5)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise UsageError(f"{option} {text!r} is unknown.{hint} Allowed: {', '.join(values)}.")


def cache_folder(given: Path | None) -> Path:
    """The folder of frozen features: as given, or the user's cache folder."""
    if given is not None:
        return given
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "clip-etl-bench"


def cache_limit() -> int:
    """Bytes that the cache may take: `ETL_BENCH_CACHE_LIMIT`, such as 500M or 20G, or the default."""
    from bench.context import CACHE_LIMIT

    given = _size_of("ETL_BENCH_CACHE_LIMIT")
    return CACHE_LIMIT if given is None else given


def hidden_limit() -> int | None:
    """Bytes of the cache that hidden states may take: `ETL_BENCH_HIDDEN_LIMIT`, or None for the device's default."""
    return _size_of("ETL_BENCH_HIDDEN_LIMIT")


def _size_of(variable: str) -> int | None:
    """A size from the environment, None where it is not set; raises UsageError for one that is not understood."""
    from bench.errors import UsageError
    from bench.experiment.features.cache import parse_size

    given = os.environ.get(variable)
    try:
        return None if not given else parse_size(given)
    except UsageError as error:
        raise UsageError(f"{variable}: {error}") from None


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
