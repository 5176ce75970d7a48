"""Whether this machine can run experiments, and the cache of features and page parts."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from bench._util.words import counted
from bench.api.options import Arg, Cache, NewDataRoot, NewRuns, Opt
from bench.errors import RunsFolderError, StoreError, UsageError
from bench.sweep import cache_folder, cores
from bench.table import Column, Table

Finding = tuple[str, bool, str]
"""What was checked, whether it is fine, and its value or problem."""


def check_machine(data_root: NewDataRoot = None, runs: NewRuns = "runs", cache: Cache = None) -> Table:
    """Check Python, packages, device, methods, datasets, folders and database. Imports torch.

    One row per thing that was checked: `what`, whether it is `fine`, and its value or problem as `detail`.
    """
    folders = _folders(data_root, Path(runs), cache_folder(cache))
    findings = [*_software(), *_catalogues(), *folders, _database(Path(runs))]
    return Table([dict(zip(("what", "fine", "detail"), finding, strict=True)) for finding in findings])


def _software() -> Iterator[Finding]:
    import torch

    from bench.results import PACKAGES, package_versions

    yield ("python", True, f"{platform.python_version()} on {platform.platform()}")
    versions = package_versions()
    for name in PACKAGES:
        yield (name, name in versions, versions.get(name, f"not installed; pip install {name}"))
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no CUDA device; runs use the CPU"
    yield ("device", True, device)
    yield ("cores", True, str(cores()))


def _catalogues() -> Iterator[Finding]:
    from bench.results import known_methods
    from datasets_registry import DATASETS

    for what, registry in (("methods", known_methods()), ("datasets", DATASETS)):
        count = len(registry)
        reasons = [f"{name}: {reason}" for name, reason in sorted(registry.unavailable.items())]
        yield (what, not reasons, " ".join(reasons) or str(count))


def _folders(data_root: Path | None, runs: Path, cache: Path) -> Iterator[Finding]:
    if data_root is None:
        text = "none given; synthetic datasets need none (--data-root or ETL_BENCH_DATA)"
        yield ("data root", True, text)
    else:
        exists = data_root.is_dir()
        yield ("data root", exists, str(data_root) if exists else f"{data_root} is not a folder")
    for what, folder in (("runs", runs), ("cache", cache)):
        yield (what, *_writable(folder))


def _writable(folder: Path) -> tuple[bool, str]:
    existing = next((place for place in (folder, *folder.absolute().parents) if place.exists()), folder)
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        return False, f"{folder} cannot be written"
    return True, f"{folder}{'' if existing == folder else ' (will be created)'}"


def _database(runs: Path) -> Finding:
    from bench.results import Shards, Store

    try:
        count = len(Shards(runs).scan())
    except RunsFolderError as error:
        return ("database", False, str(error))
    store = Store(runs, lock_timeout=0)
    if not store.path.is_file():
        return ("database", True, f"none yet; {counted(count, 'run')} on disk")
    try:
        frame = store.query("select count(*) as n from runs")
    except StoreError as error:
        return ("database", False, str(error))
    return ("database", True, f"{frame['n'].item()} of {count} runs loaded")


def cache_table(cache: Cache = None) -> Table:
    """The cached features by backbone, and the cached page parts; `None` is the user's cache folder."""
    from bench.experiment import cache_info
    from bench.results import TEXTS_FOLDER, TextCache

    folder = cache_folder(cache)
    names = ("backbone", "of", "precision", "device", "folder", "shards", "bytes")
    parts = [(c.slug, c.kind, c.precision, c.device, c.name, c.blocks, c.bytes) for c in cache_info(folder)]
    if pages := TextCache(folder).sizes():
        parts.append(("", "pages", "", "", TEXTS_FOLDER, len(pages), sum(pages.values())))
    rows = [dict(zip(names, part, strict=True)) for part in parts]
    size = Column("MiB", lambda row: round(row["bytes"] / 2**20, 1))
    whole = sum(part[-1] for part in parts)
    return Table(rows, [*names[:-1], size], notes=[f"{folder}: {whole / 2**20:.1f} MiB"])


def repair_cache(cache: Cache = None) -> list[Path]:
    """Read every file of the feature cache and delete the damaged ones; returns their paths. Imports torch."""
    from bench.experiment import damaged_files, remove

    bad = list(damaged_files(cache_folder(cache)))
    remove(bad)
    return bad


def clear_caches(
    backbone: Annotated[str | None, Arg("Only this backbone, by a prefix of its name.")] = None,
    keep: Annotated[
        str | None,
        Opt("Keep the most recently used features up to this size, such as 5G."),
    ] = None,
    cache: Cache = None,
) -> tuple[int, Path]:
    """Delete the whole cache, or a part of it; returns the number of freed bytes, and the folder."""
    from bench.experiment import clear_cache, make_room, parse_size
    from bench.results import TextCache

    folder = cache_folder(cache)
    if keep is not None and keep.strip().isdigit():
        raise UsageError(f"--keep {keep} has no unit; write {keep}M or {keep}G.")
    freed = clear_cache(folder, backbone) if keep is None else make_room(folder, parse_size(keep))
    if keep is None and backbone is None:
        freed += TextCache(folder).clear()
    return freed, folder
