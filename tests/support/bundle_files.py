"""Files of runs, and bundles with changed files."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

from bench.results.shards import Shards


def ids(shards: Shards) -> list[str]:
    return list(shards.scan())


def shard_files(runs: Path, run_id: str) -> tuple[Path, Path]:
    """The files of a run: its record and its predictions."""
    folder = runs / "shards" / run_id[:2]
    return folder / f"{run_id}.json", folder / f"{run_id}.predictions.safetensors"


def rewritten(path: Path, change: Callable[[dict[str, bytes]], object], *, packed: bool = False) -> Path:
    """A bundle with changed files; `packed` compresses them."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    target = path.with_name(f"changed{path.suffix}")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target
