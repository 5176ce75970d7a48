"""Bundles and feature packs with changed files."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.results.bundles import BUNDLE
from bench.results.listed_archive import ArchiveKind, list_root
from bench.results.shards import Shards


def ids(shards: Shards) -> list[str]:
    return [entry.run_id for entry in shards.scan()]


def rewritten(
    path: Path,
    change: Callable[[dict[str, bytes]], object],
    *,
    honest_list: bool = False,
    packed: bool = False,
    kind: ArchiveKind = BUNDLE,
) -> Path:
    """An archive with changed files; `honest_list` also makes a list and a root that fit them, `packed` compresses."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    if honest_list:
        names = sorted(set(files) - {kind.list_name})
        listed = [{"path": n, "bytes": len(files[n]), "sha256": hashlib.sha256(files[n]).hexdigest()} for n in names]
        files[kind.list_name] = listing(json.loads(files[kind.list_name]) | {"files": listed})
    target = path.with_name(f"changed{path.suffix}")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target


def listing(facts: dict[str, Any]) -> bytes:
    """A bundle's list with the root that fits it."""
    return json.dumps(facts | {"root": list_root(facts["files"])}).encode()
