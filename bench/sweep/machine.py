"""Defaults of this machine: cores, the cache folder and its limits, also from environment variables."""

import os
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
    return CACHE_LIMIT if (given := _size_of("ETL_BENCH_CACHE_LIMIT")) is None else given


def hidden_limit() -> int | None:
    """Bytes of the cache that hidden states may take: `ETL_BENCH_HIDDEN_LIMIT`, or None for the device's default."""
    return _size_of("ETL_BENCH_HIDDEN_LIMIT")


def pixel_limit() -> int:
    """Bytes of the cache that evaluated images may take: `ETL_BENCH_PIXEL_LIMIT`, or the default."""
    return PIXEL_LIMIT if (given := _size_of("ETL_BENCH_PIXEL_LIMIT")) is None else given


def _size_of(variable: str) -> int | None:
    """A size from the environment, None if it is not set; raises UsageError if it cannot be parsed."""
    from bench.experiment.features.cache import parse_size

    given = os.environ.get(variable)
    try:
        return None if not given else parse_size(given)
    except UsageError as error:
        raise UsageError(f"{variable}: {error}") from None


def exported_threads() -> int | None:
    """Threads that the user set with `OMP_NUM_THREADS`; None if it is not set.

    Of a list, which OpenMP takes for nested threads, the first number counts. Raises UsageError for anything else.
    """
    given = os.environ.get(THREADS_VARIABLE, "").strip()
    first = given.partition(",")[0].strip()
    if not given:
        return None
    if not first.isdecimal() or int(first) == 0:
        raise UsageError(f"{THREADS_VARIABLE}={given!r} is not a number of threads; set it to 1 or more, or unset it.")
    return int(first)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
