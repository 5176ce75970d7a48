"""`etl-bench doctor`: checks whether this machine can run experiments."""

import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import typer

from bench._util.words import counted
from bench.cli import _options as opt
from bench.cli._print import print_rows
from bench.errors import RunsFolderError, StoreError


class _Finding(NamedTuple):
    what: str
    fine: bool
    detail: str


def doctor(
    data_root: opt.DataRoot = None,
    runs: opt.WrittenRuns = opt.DEFAULT_RUNS,
    cache: opt.Cache = None,
    as_json: opt.AsJson = False,
) -> None:
    """Check Python, packages, device, folders and database; exit code 1 if there is a problem."""
    findings = [*_software(), *_folders(data_root, runs, opt.cache_folder(cache)), _database(runs)]
    print_rows([item._asdict() for item in findings], as_json=as_json)
    raise typer.Exit(0 if all(item.fine for item in findings) else 1)


def _software() -> Iterator[_Finding]:
    import torch

    from bench.results import PACKAGES, package_versions

    yield _Finding("python", True, f"{platform.python_version()} on {platform.platform()}")
    versions = package_versions()
    for name in PACKAGES:
        yield _Finding(name, name in versions, versions.get(name, f"not installed; pip install {name}"))
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no CUDA device; runs use the CPU"
    yield _Finding("device", True, device)
    yield _Finding("cores", True, str(opt.cores()))


def _folders(data_root: Path | None, runs: Path, cache: Path) -> Iterator[_Finding]:
    if data_root is None:
        yield _Finding("data root", True, "none given; synthetic datasets need none (--data-root or ETL_BENCH_DATA)")
    else:
        there = data_root.is_dir()
        yield _Finding("data root", there, str(data_root) if there else f"{data_root} is not a folder")
    for what, folder in (("runs", runs), ("cache", cache)):
        yield _Finding(what, *_writable(folder))


def _writable(folder: Path) -> tuple[bool, str]:
    existing = next((place for place in (folder, *folder.absolute().parents) if place.exists()), folder)
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        return False, f"{folder} cannot be written"
    return True, f"{folder}{'' if existing == folder else ' (will be created)'}"


def _database(runs: Path) -> _Finding:
    from bench.results import Shards, Store

    try:
        count = len(Shards(runs).scan())
    except RunsFolderError as error:
        return _Finding("database", False, str(error))
    store = Store(runs, lock_timeout=0)
    if not store.path.is_file():
        return _Finding("database", True, f"none yet; {counted(count, 'run')} on disk")
    try:
        frame = store.query("select count(*) as n from runs")
    except StoreError as error:
        return _Finding("database", False, str(error))
    return _Finding("database", True, f"{frame['n'].item()} of {count} runs loaded")
