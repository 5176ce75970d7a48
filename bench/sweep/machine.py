"""What this machine offers by default: cores, the cache folder and its limits, from environment variables too."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from bench.context import CACHE_LIMIT
from bench.errors import UsageError


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
    return CACHE_LIMIT if (given := _size_of("ETL_BENCH_CACHE_LIMIT")) is None else given


def hidden_limit() -> int | None:
    """Bytes of the cache that hidden states may take: `ETL_BENCH_HIDDEN_LIMIT`, or None for the device's default."""
    return _size_of("ETL_BENCH_HIDDEN_LIMIT")


def _size_of(variable: str) -> int | None:
    """A size from the environment, None where it is not set; raises UsageError for one that is not understood."""
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
