"""Plug-ins of installed packages: where their files are, and digests by which a change of them is noticed."""

import hashlib
import os
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path

from platformdirs import user_cache_path


def user_cache_folder() -> Path:
    """The folder of cached features and pages: ETL_BENCH_CACHE, or the user's cache folder."""
    return Path(os.environ.get("ETL_BENCH_CACHE") or user_cache_path("clip-etl-bench", appauthor=False))


def plug_in_place(point: EntryPoint) -> Path | None:
    """The folder of an entry point's package, or the file of its only module; None if it is not installed."""
    spec = find_spec(point.module.partition(".")[0])
    if spec is None:
        return None
    folders = list(spec.submodule_search_locations or ())
    return Path(folders[0] if folders else spec.origin or "")


def file_digests(place: Path | None) -> list[str]:
    """The digests of a Python file, or of all in a folder."""
    files = [] if place is None else sorted(place.rglob("*.py")) if place.is_dir() else [place]
    return [f"{path} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in files if path.is_file()]
