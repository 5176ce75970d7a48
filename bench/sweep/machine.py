"""This machine: cores, CUDA devices, and the cache folder with its limits. Loads no torch if it can."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from platformdirs import user_cache_path

from bench.context import CACHE_LIMIT, PIXEL_LIMIT
from bench.errors import UsageError

THREADS_VARIABLE = "OMP_NUM_THREADS"


def cache_folder(given: Path | None) -> Path:
    """The folder of frozen features: as given, or the user's cache folder; raises UsageError if it is a file."""
    folder = user_cache_path("clip-etl-bench", appauthor=False) if given is None else given
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--cache {folder} is a file; give a folder.")
    return folder


def cache_limit() -> int:
    """Bytes that the cache may take: `ETL_BENCH_CACHE_LIMIT`, such as 500M or 20G, or the default."""
    return CACHE_LIMIT if (limit := _size_of("ETL_BENCH_CACHE_LIMIT")) is None else limit


def pixel_limit() -> int:
    """Bytes of the cache that evaluated images may take: `ETL_BENCH_PIXEL_LIMIT`, or the default."""
    return PIXEL_LIMIT if (limit := _size_of("ETL_BENCH_PIXEL_LIMIT")) is None else limit


def _size_of(variable: str) -> int | None:
    """A size from the environment, None if it is not set; raises UsageError if it cannot be parsed."""
    from bench.experiment import parse_size

    size = os.environ.get(variable)
    try:
        return None if not size else parse_size(size)
    except UsageError as error:
        raise UsageError(f"{variable}: {error}") from None


def exported_threads() -> int | None:
    """Threads that the user set with `OMP_NUM_THREADS`; None if it is not set.

    Of a list, which OpenMP takes for nested threads, the first number counts. Raises UsageError for anything else.
    """
    threads = os.environ.get(THREADS_VARIABLE, "").strip()
    first = threads.partition(",")[0].strip()
    if not threads:
        return None
    if not first.isdecimal() or int(first) == 0:
        raise UsageError(
            f"{THREADS_VARIABLE}={threads!r} is not a number of threads; set it to 1 or more, or unset it."
        )
    return int(first)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


VISIBLE = "CUDA_VISIBLE_DEVICES"
"""The variable by which CUDA shows a process only some devices."""
ORDER = "CUDA_DEVICE_ORDER"
_DEVICE_FILES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""Files of the drivers of NVIDIA, of WSL and of AMD."""
_COLUMNS = "index,uuid,name,memory.free,mig.mode.current"
_TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Gpu:
    """A CUDA device: its number for torch, its name, and its free memory in bytes (None if unknown).

    `token` names it in `CUDA_VISIBLE_DEVICES` of a process that is to see it alone.
    """

    index: int
    name: str
    free: int | None
    token: str


@cache
def find_gpus() -> tuple[Gpu, ...]:
    """The CUDA devices that torch sees here; empty without one. Asked once per process."""
    driver = shutil.which("nvidia-smi") is not None or any(Path(file).exists() for file in _DEVICE_FILES)
    if "torch" not in sys.modules and not (_torch_can_use_gpus() and driver):
        return ()
    listed = _listed_by_driver() if _torch_can_use_gpus() else None
    return _listed_by_torch() if listed is None else listed


def _torch_can_use_gpus() -> bool:
    """Whether the installed torch was built for CUDA or ROCm, from its file of versions."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return False
    versions = Path(spec.origin).with_name("version.py")
    return bool(re.search(r"^(cuda|hip)\b.*=\s*['\"]", versions.read_text(encoding="utf-8"), re.MULTILINE))


def _listed_by_driver() -> tuple[Gpu, ...] | None:
    """The devices by NVIDIA's tool; None if it fails or may number them in another order than CUDA."""
    try:
        listing = subprocess.run(
            ["nvidia-smi", f"--query-gpu={_COLUMNS}", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_listing(listing, os.environ.get(VISIBLE), os.environ.get(ORDER))


def parse_listing(listing: str, visible: str | None, order: str | None) -> tuple[Gpu, ...] | None:
    r"""The devices of a listing that `CUDA_VISIBLE_DEVICES` leaves, in CUDA's order; None if the order is uncertain.

    CUDA's own order is by speed, so it equals that of the tool only among devices of one name. A device in partitions
    (MIG) counts differently in CUDA.

    Example:
        >>> found = parse_listing("0, GPU-a, H100, 500, Disabled\n1, GPU-b, H100, 80000, Disabled", "1", None)
        >>> [(gpu.index, gpu.name, gpu.token) for gpu in found]
        [(0, 'H100', '1')]
    """
    rows = [[part.strip() for part in row] for row in csv.reader(listing.splitlines()) if row]
    if any(len(row) != 5 or row[4] == "Enabled" for row in rows):
        return None
    if order != "PCI_BUS_ID" and len({row[2] for row in rows}) > 1:
        return None
    if visible is None:
        chosen: Sequence[tuple[str, list[str]]] = [(row[0], row) for row in rows]
    else:
        chosen = []
        for token in (part.strip() for part in visible.split(",")):
            matches = [
                row for row in rows if row[0] == token or (token.startswith("GPU-") and row[1].startswith(token))
            ]
            if len(matches) != 1:
                break  # CUDA ignores everything from the first invalid entry on
            chosen.append((token, matches[0]))
    return tuple(
        Gpu(i, row[2], int(row[3]) * 2**20 if row[3].isdecimal() else None, token)
        for i, (token, row) in enumerate(chosen)
    )


def _listed_by_torch() -> tuple[Gpu, ...]:
    import torch

    if not torch.cuda.is_available():
        return ()
    visible = os.environ.get(VISIBLE)
    tokens = [part.strip() for part in visible.split(",")] if visible else []
    return tuple(
        Gpu(i, torch.cuda.get_device_name(i), torch.cuda.mem_get_info(i)[0], tokens[i] if tokens else str(i))
        for i in range(torch.cuda.device_count())
    )
